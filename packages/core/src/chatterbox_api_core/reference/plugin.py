"""The plug-ins of the reference adapters."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import ClipReader, Encoder, Synthesizer, VoiceStore
from chatterbox_api_core.settings import Setting, integer, number

__all__ = ["memory", "no_cache", "tone", "wav", "wav_reader"]

_PACE: Final = Setting("TONE_PACE", "0", "Seconds of waiting per second of sound; 1 is real time.", number(0, 100))
_CONCURRENT: Final = Setting("TONE_CONCURRENT", "8", "How many tones sound at once.", integer(1, 64))


def _always(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open_memory(env: Mapping[str, str]) -> AsyncGenerator[VoiceStore, None]:
    from chatterbox_api_core.reference.memory import MemoryStore

    yield MemoryStore()


@asynccontextmanager
async def _open_tone(env: Mapping[str, str]) -> AsyncGenerator[Synthesizer, None]:
    from chatterbox_api_core.reference.tone import ToneSynthesizer

    yield ToneSynthesizer(pace=_PACE.read(env), concurrent=_CONCURRENT.read(env))


@asynccontextmanager
async def _open_wav(env: Mapping[str, str]) -> AsyncGenerator[Encoder, None]:
    from chatterbox_api_core.reference.wav import WavEncoder

    yield WavEncoder()


@asynccontextmanager
async def _open_wav_reader(env: Mapping[str, str]) -> AsyncGenerator[ClipReader, None]:
    from chatterbox_api_core.reference.wav import WavReader

    yield WavReader()


@asynccontextmanager
async def _open_no_cache(env: Mapping[str, str]) -> AsyncGenerator[MutableMapping[str, bytes], None]:
    yield _Nothing()


class _Nothing(dict[str, bytes]):
    """A mapping that keeps nothing."""

    def __setitem__(self, key: str, value: bytes) -> None:
        return


memory: Final = Plugin[VoiceStore](settings=(), state=_always, open=_open_memory)
tone: Final = Plugin[Synthesizer](settings=(_PACE, _CONCURRENT), state=_always, open=_open_tone)
wav: Final = Plugin[Encoder](settings=(), state=_always, open=_open_wav)
wav_reader: Final = Plugin[ClipReader](settings=(), state=_always, open=_open_wav_reader)
no_cache: Final = Plugin[MutableMapping[str, bytes]](settings=(), state=_always, open=_open_no_cache)
