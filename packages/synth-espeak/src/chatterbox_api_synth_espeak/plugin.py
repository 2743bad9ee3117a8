"""The entry point of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_core.settings import Setting, integer, path

__all__ = ["plugin"]

PROCESSES: Final = Setting(
    "ESPEAK_PROCESSES", "4", "Child processes that speak, each one request at a time.", integer(1, 64)
)
LANGUAGE: Final = Setting("ESPEAK_LANGUAGE", "en-us", "The language of requests that name none.", str)
DATA_PATH: Final = Setting(
    "ESPEAK_DATA_PATH", "", "The folder that holds espeak-ng-data; empty for the one that is installed along.", path
)


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[Synthesizer, None]:
    from chatterbox_api_synth_espeak.synthesizer import EspeakSynthesizer

    async with EspeakSynthesizer.open(
        processes=PROCESSES.read(env), language=LANGUAGE.read(env), data_path=str(DATA_PATH.read(env) or "")
    ) as synthesizer:
        yield synthesizer


plugin: Final = Plugin[Synthesizer](settings=(PROCESSES, LANGUAGE, DATA_PATH), state=_state, open=_open)
