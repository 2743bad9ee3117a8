"""The entry point of the watermark's detector."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Absent, Plugin, Ready, State
from chatterbox_api_core.ports import WatermarkDetector

__all__ = ["plugin"]

_NEEDED: Final = ("resemble-perth", "torch")


def _state(env: Mapping[str, str]) -> State:
    for name in _NEEDED:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return Absent(
                f"{name} is not installed: run `hatch run chatterbox:serve`, or `docker/install.sh FOLDER model`"
            )
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[WatermarkDetector, None]:
    from chatterbox_api_synth_chatterbox.detector import PerthDetector

    async with PerthDetector.open() as detector:
        yield detector


plugin: Final = Plugin[WatermarkDetector](settings=(), state=_state, open=_open)
