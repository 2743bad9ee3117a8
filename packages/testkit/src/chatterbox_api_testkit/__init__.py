"""The contracts of the ports, as test classes that the tests of an adapter inherit.

    class TestMyEngine(SynthesizerContract):
        @asynccontextmanager
        async def open(self) -> AsyncGenerator[Synthesizer, None]:
            async with MyEngine.open() as engine:
                yield engine

The tests ask for declared capabilities and never for a class. An adapter that must deviate names the test and the
reason. The test must then fail:

    deviations = {"test_closing_stops_the_work": "the device finishes its buffer first"}
"""

from __future__ import annotations

from chatterbox_api_testkit.clip_reader import ClipReaderContract
from chatterbox_api_testkit.encoder import EncoderContract
from chatterbox_api_testkit.synthesizer import SynthesizerContract, SynthesizerMechanicsContract
from chatterbox_api_testkit.voice_store import VoiceStoreContract

__all__ = [
    "ClipReaderContract",
    "EncoderContract",
    "SynthesizerContract",
    "SynthesizerMechanicsContract",
    "VoiceStoreContract",
]
