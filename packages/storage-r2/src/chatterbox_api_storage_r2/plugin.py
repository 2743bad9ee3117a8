"""The entry point of this package: the store `r2`. The modules that need obstore are imported when it is opened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_storage_r2 import settings

__all__ = ["plugin"]


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[VoiceStore, None]:
    from chatterbox_api_storage_r2.reader import Freshness
    from chatterbox_api_storage_r2.store import R2Store

    connection = settings.connection(env)
    async with R2Store.open(
        connection,
        mirror_path=settings.mirror_path(env, connection),
        freshness=Freshness(stale_max_s=settings.STALE_MAX_S.read(env)),
    ) as store:
        yield store


plugin: Final = Plugin[VoiceStore](settings=settings.ALL, state=settings.state, open=_open)
