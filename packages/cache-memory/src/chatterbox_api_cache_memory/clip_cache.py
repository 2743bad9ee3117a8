"""The mapping: cachetools' time-aware LRU, made to count from the last access."""

from __future__ import annotations

import time
from collections.abc import Callable

from cachetools import TLRUCache

__all__ = ["IdleCache"]


class IdleCache(TLRUCache[str, bytes]):
    """Bytes by key. Forgets what was not read for `idle_s`, and of the rest what was read longest ago.

    Args:
        max_bytes: of all values together; a larger single value is refused with ValueError.
        clock: in seconds.
    """

    def __init__(self, *, max_bytes: int, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(max_bytes, ttu=lambda key, value, now: now + idle_s, timer=clock, getsizeof=len)

    def __getitem__(self, key: str) -> bytes:
        value = super().__getitem__(key)
        super().__setitem__(key, value)  # its time begins anew
        return value
