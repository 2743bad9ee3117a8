"""The adapters on PyAV and soundfile keep the contracts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from chatterbox_api_core.ports import ClipReader
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder
from chatterbox_api_encoders.worker_clip_reader import PyavClipReader
from chatterbox_api_testkit import ClipReaderContract, EncoderContract


class TestPyavEncoder(EncoderContract):
    encoder = PyavEncoder()
    reader = InProcessClipReader()


class TestSoundfileEncoder(EncoderContract):
    encoder = SoundfileEncoder()
    reader = InProcessClipReader()


class TestInProcessClipReader(ClipReaderContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[ClipReader, None]:
        yield InProcessClipReader()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pyav_clip_reader() -> AsyncGenerator[ClipReader, None]:
    """One for all tests, because its process takes a while to start."""
    async with PyavClipReader.open(processes=1) as reader:
        yield reader


@pytest.mark.asyncio(loop_scope="module")
class TestPyavClipReader(ClipReaderContract):
    @pytest.fixture
    def reader(self, pyav_clip_reader: ClipReader) -> ClipReader:
        return pyav_clip_reader
