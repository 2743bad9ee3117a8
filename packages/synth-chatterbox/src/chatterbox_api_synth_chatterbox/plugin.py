"""The entry point of the engine."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Absent, Incomplete, OnRequest, Plugin, Ready, State
from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_synth_chatterbox import settings
from chatterbox_api_synth_chatterbox.models import MODELS

__all__ = ["plugin"]


def _state(env: Mapping[str, str]) -> State:
    model, folder = MODELS[settings.MODEL.read(env)], settings.MODEL_DIR.read(env)
    try:
        importlib.metadata.version("chatterbox-tts")
    except importlib.metadata.PackageNotFoundError:
        if folder:
            return Incomplete(("the package chatterbox-tts",))
        return Absent(
            "chatterbox-tts is not installed: run `hatch run chatterbox:serve`, or `docker/install.sh FOLDER model`"
        )
    from chatterbox_api_synth_chatterbox.weights import cached_folder, missing_files

    if folder:
        missing = missing_files(model, folder)
        return Incomplete(tuple(str(folder / name) for name in missing)) if missing else Ready()
    if cached_folder(model) is None:
        return OnRequest(
            f"it would download {model.weights_bytes / 1e9:.1f} GB of weights; SYNTHESIZER=chatterbox does so"
        )
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[Synthesizer, None]:
    from dataclasses import replace

    from chatterbox_api_synth_chatterbox.supervisor import TIMEOUTS
    from chatterbox_api_synth_chatterbox.synthesizer import ChatterboxSynthesizer

    async with ChatterboxSynthesizer.open(
        model=settings.MODEL.read(env),
        folder=str(settings.MODEL_DIR.read(env) or ""),
        device=settings.DEVICE.read(env),
        language=settings.LANGUAGE.read(env),
        concurrent=settings.CONCURRENT.read(env),
        preload=settings.PRELOAD.read(env),
        voices_bytes=settings.VOICES_MB.read(env) * 2**20,
        timeouts=replace(
            TIMEOUTS,
            load_s=settings.LOAD_S.read(env),
            stall_s=settings.STALL_S.read(env),
            idle_s=settings.IDLE_UNLOAD_S.read(env),
        ),
    ) as synthesizer:
        yield synthesizer


plugin: Final = Plugin[Synthesizer](settings=settings.ALL, state=_state, open=_open)
