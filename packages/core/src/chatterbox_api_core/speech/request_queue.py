"""Bounded concurrency: so many requests run, so many wait, and the next is told when to come back.

A place is taken in one synchronous step, before anything is fetched or decoded, so that a flood costs
nothing but refusals. Tickets run in the order in which they asked for their turn.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from chatterbox_api_core.errors import DeadlineExceeded, Overloaded

__all__ = ["RequestQueue", "Reservation"]


class RequestQueue:
    """The door to an engine.

    Args:
        slots: requests that run at once.
        queue: requests that may wait beside them.
        wait_s: the longest a request waits for its turn.
    """

    def __init__(self, *, slots: int, queue: int, wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots, self._queue, self._wait_s, self._clock = slots, queue, wait_s, clock
        self._running = 0
        self._waiting: deque[Reservation] = deque()
        self._reserved = 0
        self._service_s = 1.0

    @property
    def running(self) -> int:
        return self._running

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enter(self) -> Reservation:
        """Reserve a place at once, or raise Overloaded. The reservation must be closed."""
        if self._reserved >= self._slots + self._queue:
            raise Overloaded(
                f"All {self._slots} places and the {self._queue} waiting ones are taken.",
                remedy="Try again a little later.",
                retry_after_s=self._estimate_s(),
            )
        self._reserved += 1
        return Reservation(self)

    def _estimate_s(self) -> float:
        """When the line will have moved: what is ahead, at the pace of late."""
        return min(60.0, max(1.0, math.ceil(self._service_s * (self._reserved + 1) / self._slots)))

    async def _wait(self, reservation: Reservation) -> bool:
        if self._running < self._slots and not self._waiting:
            self._start(reservation)
            return False
        self._waiting.append(reservation)
        try:
            async with asyncio.timeout(self._wait_s):
                await reservation.called.wait()
        except TimeoutError:
            raise DeadlineExceeded(
                f"No place became free within {self._wait_s:g} s.",
                code="queue_timeout",
                remedy="Try again a little later.",
                retry_after_s=self._estimate_s(),
            ) from None
        return True

    def _start(self, reservation: Reservation) -> None:
        self._running += 1
        reservation.started_at = self._clock()
        reservation.called.set()

    def _leave(self, reservation: Reservation) -> None:
        self._reserved -= 1
        if reservation.started_at is None:
            if reservation in self._waiting:
                self._waiting.remove(reservation)
            return
        self._running -= 1
        self._service_s += 0.2 * (self._clock() - reservation.started_at - self._service_s)
        if self._waiting:
            self._start(self._waiting.popleft())


class Reservation:
    """A reserved place: `turn` waits for it to become a running one, `close` gives it back."""

    def __init__(self, door: RequestQueue) -> None:
        self._door = door
        self._closed = False
        self.called = asyncio.Event()
        self.started_at: float | None = None

    async def turn(self) -> bool:
        """Wait for the turn, and say whether there was a wait. Raises DeadlineExceeded."""
        return await self._door._wait(self)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._door._leave(self)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
