"""How often a key of the bucket may be written."""

from __future__ import annotations

import asyncio
import time

from chatterbox_api_core.errors import Unavailable

__all__ = ["WriteRateLimiter"]


class WriteRateLimiter:
    """When each key may be written next, since R2 refuses more than one write a second to a key.

    It remembers no key for longer than that.

    Args:
        interval_s: between two writes of one key, in seconds.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next: dict[str, float] = {}

    async def wait(self, key: str, *, longest_s: float) -> None:
        """Wait until this key may be written.

        Raises:
            Unavailable: `storage_busy`, that takes longer than `longest_s`.
        """
        now = time.monotonic()
        while self._next and (oldest := next(iter(self._next.items())))[1] <= now:
            del self._next[oldest[0]]
        turn = max(self._next.pop(key, 0.0), now)
        self._next[key] = turn + self._interval_s
        if turn - now > longest_s:
            self._next[key] = turn
            raise Unavailable("Too many writes of the same object are waiting.", code="storage_busy")
        await asyncio.sleep(turn - now)
