"""The entry point of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_synth_espeak import settings

__all__ = ["plugin"]


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[Synthesizer, None]:
    from chatterbox_api_synth_espeak.synthesizer import EspeakSynthesizer

    async with EspeakSynthesizer.open(
        processes=settings.PROCESSES.read(env),
        language=settings.LANGUAGE.read(env),
        data_path=str(settings.DATA_PATH.read(env) or ""),
    ) as synthesizer:
        yield synthesizer


plugin: Final = Plugin[Synthesizer](settings=settings.ALL, state=_state, open=_open)
