"""The entry point of this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.settings import Setting, integer, number

__all__ = ["plugin"]

MAX_BYTES: Final = Setting("CLIP_CACHE_BYTES", str(256 * 2**20), "Clips kept in memory, in bytes.", integer(0, 2**40))
IDLE_S: Final = Setting(
    "CLIP_CACHE_IDLE_S", "3600", "Seconds without access after which a clip is forgotten.", number(1, 10**7)
)
_SWEEP_S: Final = 60.0


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[MutableMapping[str, bytes], None]:
    from chatterbox_api_cache_memory.clip_cache import IdleCache

    cache = IdleCache(max_bytes=MAX_BYTES.read(env), idle_s=IDLE_S.read(env))
    sweeper = asyncio.create_task(_sweep(cache.expire, min(_SWEEP_S, IDLE_S.read(env))))
    try:
        yield cache
    finally:
        sweeper.cancel()
        cache.clear()


async def _sweep(expire: Callable[[], object], every_s: float) -> None:
    """Expired bytes would stay until the next write."""
    while True:
        await asyncio.sleep(every_s)
        expire()


plugin: Final = Plugin[MutableMapping[str, bytes]](settings=(MAX_BYTES, IDLE_S), state=_state, open=_open)
