"""espeak-ng keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_synth_espeak.synthesizer import EspeakSynthesizer
from chatterbox_api_testkit import SynthesizerContract


class TestEspeakSynthesizer(SynthesizerContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Synthesizer, None]:
        async with EspeakSynthesizer.open(processes=3) as engine:
            yield engine
