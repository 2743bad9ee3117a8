"""The entry point of the stub engine: SYNTHESIZER=stub, where `site` and the repository's root are on PYTHONPATH."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_core.settings import Setting, integer, number, path

__all__ = ["plugin"]

_SLOTS: Final = Setting("STUB_SLOTS", "1", "How many texts the stub speaks at once.", integer(1, 1024))
_DELAY_MS: Final = Setting("STUB_DELAY_MS", "50", "Milliseconds before the first sound of a text.", number(0, 60_000))
_DELAY_MS_PER_S: Final = Setting(
    "STUB_DELAY_MS_PER_S", "0", "Milliseconds of work per second of sound, spent before each piece.", number(0, 60_000)
)
_PIECE_MS: Final = Setting(
    "STUB_PIECE_MS", "0", "Milliseconds of sound in a piece; 0 yields a text as one piece.", number(0, 60_000)
)
_PIECES_PER_S: Final = Setting(
    "STUB_PIECES_PER_S", "0", "Pieces per second after the first; 0 is without a wait.", number(0, 1000)
)
_SOUND_S: Final = Setting(
    "STUB_SOUND_S", "0", "Seconds of sound of each text; 0 counts its characters instead.", number(0, 100_000)
)
_SOUND_S_PER_CHAR: Final = Setting(
    "STUB_SOUND_S_PER_CHAR", "0.06", "Seconds of sound per character of a text.", number(0.001, 10)
)
_PREPARE_MS: Final = Setting(
    "STUB_PREPARE_MS", "0", "Milliseconds to prepare a voice that the stub has not spoken in.", number(0, 60_000)
)
_LOOP_FILE: Final = Setting(
    "STUB_LOOP_FILE",
    "",
    "A file that gets a line about event loop and engine, four times a second.",
    path,
)


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[Synthesizer, None]:
    from benchmarks.stub_engine.loop_log import logging_to
    from benchmarks.stub_engine.synthesizer import StubSynthesizer, StubTiming

    engine = StubSynthesizer(
        StubTiming(
            delay_s=_DELAY_MS.read(env) / 1000,
            delay_s_per_s=_DELAY_MS_PER_S.read(env) / 1000,
            piece_s=_PIECE_MS.read(env) / 1000,
            pieces_per_s=_PIECES_PER_S.read(env),
            sound_s=_SOUND_S.read(env),
            sound_s_per_char=_SOUND_S_PER_CHAR.read(env),
            prepare_s=_PREPARE_MS.read(env) / 1000,
        ),
        slots=_SLOTS.read(env),
    )
    async with AsyncExitStack() as stack:
        log = _LOOP_FILE.read(env)
        if log is not None:
            await stack.enter_async_context(logging_to(log, engine))
        yield engine


plugin: Final = Plugin[Synthesizer](
    settings=(
        _SLOTS,
        _DELAY_MS,
        _DELAY_MS_PER_S,
        _PIECE_MS,
        _PIECES_PER_S,
        _SOUND_S,
        _SOUND_S_PER_CHAR,
        _PREPARE_MS,
        _LOOP_FILE,
    ),
    state=_state,
    open=_open,
)
