"""Bounded concurrency: some requests hold a slot, some wait for one, and the next is refused with a time to retry.

A reservation is made in one synchronous step, before anything is fetched or decoded, so that a flood of requests
costs nothing but refusals. Reservations get a slot in the order in which they began to wait for it.
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
    """The queue before an engine.

    Args:
        slots: requests that run at once.
        max_waiting: requests that may wait beside them.
        wait_s: the longest that a request waits for a slot.

    Example:
        queue = RequestQueue(slots=1, max_waiting=16, wait_s=30)
        with queue.reserve() as reservation:
            await reservation.wait()
            ...
    """

    def __init__(
        self, *, slots: int, max_waiting: int, wait_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slots, self._max_waiting, self._wait_s, self._clock = slots, max_waiting, wait_s, clock
        self._running = 0
        self._waiting: deque[Reservation] = deque()
        self._reserved = 0
        self._service_s = 1.0

    @property
    def running(self) -> int:
        """How many requests hold a slot."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return len(self._waiting)

    def reserve(self) -> Reservation:
        """Make a reservation, which must be closed.

        Raises:
            Overloaded: all slots are in use, and as many requests wait as may.
        """
        if self._reserved >= self._slots + self._max_waiting:
            raise Overloaded(
                "Every slot is in use, and the queue is full.",
                remedy="Try again a little later.",
                retry_after_s=self._estimate_s(),
            )
        self._reserved += 1
        return Reservation(self)

    def _estimate_s(self) -> float:
        """When a slot will be free: all that have a reservation, at the pace of the latest requests."""
        return min(60.0, max(1.0, math.ceil(self._service_s * (self._reserved + 1) / self._slots)))

    async def _wait(self, reservation: Reservation) -> bool:
        if self._running < self._slots and not self._waiting:
            self._start(reservation)
            return False
        self._waiting.append(reservation)
        try:
            async with asyncio.timeout(self._wait_s):
                await reservation.started.wait()
        except TimeoutError:
            raise DeadlineExceeded(
                f"No slot became free within {self._wait_s:g} s.",
                code="queue_timeout",
                remedy="Try again a little later.",
                retry_after_s=self._estimate_s(),
            ) from None
        return True

    def _start(self, reservation: Reservation) -> None:
        self._running += 1
        reservation.started_at = self._clock()
        reservation.started.set()

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
    """A place in the queue: `wait` turns it into a slot, `close` gives it back."""

    def __init__(self, queue: RequestQueue) -> None:
        self._queue = queue
        self._closed = False
        self.started = asyncio.Event()
        self.started_at: float | None = None

    async def wait(self) -> bool:
        """Wait for a slot, and return whether there was a wait.

        Raises:
            DeadlineExceeded: `queue_timeout`, no slot became free in time.
        """
        return await self._queue._wait(self)

    def close(self) -> None:
        """Give the place or the slot back; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._queue._leave(self)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
