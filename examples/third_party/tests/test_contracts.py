"""Acme's adapters keep the contracts of their ports. Each is opened as the service opens it: through its plug-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import av
import pytest

from acme_speech import plugin
from acme_speech.encoder import AuEncoder
from chatterbox_api_core.ports import Synthesizer, VoiceStore
from chatterbox_api_core.types import Clip, ClipLimits, ClipReport, Pcm
from chatterbox_api_testkit import EncoderContract, SynthesizerContract, VoiceStoreContract


class FfmpegReader:
    """Reads AU with FFmpeg, so that the encoder is not judged by its own author."""

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        return await asyncio.to_thread(self.decode, data)

    def decode(self, data: bytes) -> Clip:
        with av.open(BytesIO(data), "r", format="au") as container:
            stream = container.streams.audio[0]
            samples = b"".join(frame.to_ndarray().tobytes() for frame in container.decode(stream))
            pcm = Pcm.from_s16le(samples, sample_rate_hz=stream.rate)
            return Clip(pcm, ClipReport(pcm.duration_s, stream.rate, stream.channels, "audio/x-au"))


class TestBuzzSynthesizer(SynthesizerContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Synthesizer, None]:
        async with plugin.synthesizer.open({}) as engine:
            yield engine


class TestFolderStore(VoiceStoreContract):
    durable = True

    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "voices"

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[VoiceStore, None]:
        async with plugin.voice_store.open({"ACME_FOLDER": str(self.folder)}) as store:
            yield store


class TestAuEncoder(EncoderContract):
    encoder = AuEncoder()
    reader = FfmpegReader()
