"""The entry point of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_storage_local import settings

__all__ = ["plugin"]


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[VoiceStore, None]:
    from chatterbox_api_storage_local.store import LocalStore

    async with LocalStore.open(settings.voice_folder(env)) as store:
        yield store


plugin: Final = Plugin[VoiceStore](settings=settings.ALL, state=_state, open=_open)
