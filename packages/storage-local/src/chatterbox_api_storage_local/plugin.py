"""The entry point of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.settings import DATA_DIR, Setting, path

__all__ = ["plugin"]

VOICE_LIBRARY_DIR: Final = Setting(
    "VOICE_LIBRARY_DIR", "", "Where voices are kept on disk; the folder voices in DATA_DIR when empty.", path
)


def library_folder(env: Mapping[str, str]) -> Path:
    """The folder that the settings choose."""
    from platformdirs import user_data_path

    if chosen := VOICE_LIBRARY_DIR.read(env):
        return chosen
    return (DATA_DIR.read(env) or user_data_path("chatterbox-api", appauthor=False)) / "voices"


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[VoiceStore, None]:
    from chatterbox_api_storage_local.store import LocalStore

    async with LocalStore.open(library_folder(env)) as store:
        yield store


plugin: Final = Plugin[VoiceStore](settings=(DATA_DIR, VOICE_LIBRARY_DIR), state=_state, open=_open)
