"""The clip cache: an LRU cache whose entries expire after a time without access."""

from __future__ import annotations

import time
from collections.abc import Callable

from cachetools import TLRUCache

__all__ = ["IdleCache"]


class IdleCache(TLRUCache[str, bytes]):
    """A mapping of bytes by key that drops values that were not read for a while.

        cache = IdleCache(max_bytes=256 * 2**20, idle_s=3600)
        cache["5f0c"] = clip
        cache.get("5f0c")

    A write that exceeds `max_bytes` removes the least recently used values. The mapping is not thread-safe.

    Args:
        max_bytes: the most bytes of all values together.
        idle_s: the time after its last read or write after which a value expires, in seconds.
        clock: returns the current time in seconds.

    Raises:
        ValueError: on a write, the value alone is larger than `max_bytes`.
    """

    def __init__(self, *, max_bytes: int, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(max_bytes, ttu=lambda key, value, now: now + idle_s, timer=clock, getsizeof=len)

    def __getitem__(self, key: str) -> bytes:
        value = super().__getitem__(key)
        super().__setitem__(key, value)  # a write restarts the time to expiry; cachetools counts from insertion
        return value
