"""The reference adapters of core keep the contracts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatterbox_api_core.ports import ClipReader, Synthesizer
from chatterbox_api_core.reference import ToneSynthesizer, WavEncoder, WavReader
from chatterbox_api_testkit import ClipReaderContract, EncoderContract, SynthesizerContract


class TestToneSynthesizer(SynthesizerContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Synthesizer, None]:
        yield ToneSynthesizer()


class TestWavEncoder(EncoderContract):
    encoder = WavEncoder()


class TestWavReader(ClipReaderContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[ClipReader, None]:
        yield WavReader()
