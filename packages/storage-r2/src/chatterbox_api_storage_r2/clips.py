"""Clips on their way from the bucket."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from typing import Final

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.bucket import Bucket, Stored

__all__ = ["Clips"]

_UNCLAIMED_S: Final = 30.0
"""How long a clip that came late is kept for who asks again."""


class Clips:
    """Reads clips, one request at a time for each. Used on one event loop.

    Args:
        wait_s: how long a caller waits. A clip that takes longer goes on its way, and is there for who comes next.
    """

    def __init__(self, bucket: Bucket, *, wait_s: float) -> None:
        self._bucket, self._wait_s = bucket, wait_s
        self._flights: dict[str, asyncio.Task[Stored | None]] = {}
        self._unclaimed: dict[asyncio.Task[Stored | None], asyncio.TimerHandle] = {}

    async def read(self, key: str, *, sha256: str) -> bytes | None:
        """The clip; None where it is not what was stored, also at a second try, or not there. Unavailable."""
        for _ in range(2):  # what is damaged on the way may come whole the next time
            stored = await self._fetched(key)
            if stored is None:
                return None
            if (stored.sha256 or await asyncio.to_thread(_sha256, stored.data)) == sha256:
                return stored.data
        return None

    async def close(self) -> None:
        """End what is on its way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)

    async def _fetched(self, key: str) -> Stored | None:
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._bucket.get(key))
            flight.add_done_callback(functools.partial(self._arrived, key))
        await asyncio.wait([flight], timeout=self._wait_s)
        if not flight.done():
            raise Unavailable("The clip is still on its way.", code="storage_slow", retry_after_s=2)
        self._forget(key, flight)
        if flight.cancelled():
            raise Unavailable("The store of voices is being closed.", code="storage_closed")
        return flight.result()

    def _arrived(self, key: str, flight: asyncio.Task[Stored | None]) -> None:
        if flight.cancelled() or flight.exception() is not None:  # seen, also where nobody waits for it any more
            self._forget(key, flight)
            return
        later = asyncio.get_running_loop().call_later(_UNCLAIMED_S, self._forget, key, flight)
        self._unclaimed[flight] = later

    def _forget(self, key: str, flight: asyncio.Task[Stored | None]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if (later := self._unclaimed.pop(flight, None)) is not None:
            later.cancel()  # which lets go of the clip


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
