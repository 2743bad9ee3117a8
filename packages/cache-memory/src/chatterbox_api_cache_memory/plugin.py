"""The entry point of this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_cache_memory import settings
from chatterbox_api_core.plugins import Plugin, Ready

__all__ = ["plugin"]

_MAX_SWEEP_INTERVAL_S: Final = 60.0


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[MutableMapping[str, bytes], None]:
    from chatterbox_api_cache_memory.clip_cache import IdleCache

    idle_s = settings.IDLE_S.read(env)
    cache = IdleCache(max_bytes=settings.MAX_BYTES.read(env), idle_s=idle_s)
    sweeper = asyncio.create_task(_sweep(cache.expire, min(_MAX_SWEEP_INTERVAL_S, idle_s)))
    try:
        yield cache
    finally:
        sweeper.cancel()
        cache.clear()


async def _sweep(expire: Callable[[], object], every_s: float) -> None:
    """Remove expired clips regularly, since the cache itself removes them only with the next write."""
    while True:
        await asyncio.sleep(every_s)
        expire()


plugin: Final = Plugin[MutableMapping[str, bytes]](settings=settings.ALL, state=_state, open=_open)
