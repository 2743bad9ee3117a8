"""Requests that many wait for: one at a time for each key, and none that is too old for whoever takes its answer.

An answer says how things were at some moment after its request was sent. A caller who comes later may know better:
somebody has told it of a change. So it takes the answer of a request that was sent after it came, and else waits for
the next one, which it shares with all who come until then. Thus reads are linearizable, at two requests' time at
most; whoever can do with an older answer says how old it may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, Generic, TypeVar

__all__ = ["Flights", "ticket"]

_T = TypeVar("_T")
_tickets: Final = count(1)


def ticket() -> int:
    """This moment, in an order with all others."""
    return next(_tickets)


class Flights(Generic[_T]):
    """Used on one event loop.

    Args:
        clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent: dict[str, _Flight[_T]] = {}
        self._next: dict[str, _Flight[_T]] = {}
        self._tasks: set[asyncio.Task[_T]] = set()

    def join(
        self, key: str, fetch: Callable[[], Awaitable[_T]], *, since: int, young_s: float = 0.0
    ) -> asyncio.Task[_T]:
        """The request whose answer serves a caller that came at `since`, begun with `fetch` if there is none.

        Wait for it with `asyncio.wait`, so that one who gives up takes nothing from the others.

        Args:
            young_s: one sent before, but not longer ago than this, will do as well.
        """
        sent = self._sent.get(key)
        if sent is not None and (sent.ticket > since or 0 <= self._clock() - sent.sent_at < young_s):
            return sent.task
        flight = self._next.get(key)
        if flight is None:
            flight = self._next[key] = _Flight()
            flight.task = asyncio.create_task(self._fly(key, flight, fetch, behind=sent))
            self._tasks.add(flight.task)
            flight.task.add_done_callback(self._landed)
        return flight.task

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _fly(
        self, key: str, flight: _Flight[_T], fetch: Callable[[], Awaitable[_T]], *, behind: _Flight[_T] | None
    ) -> _T:
        try:
            if behind is not None:
                await asyncio.wait([behind.task])
        finally:
            del self._next[key]
        self._sent[key], flight.ticket, flight.sent_at = flight, ticket(), self._clock()
        try:
            return await fetch()
        finally:
            del self._sent[key]

    def _landed(self, task: asyncio.Task[_T]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # all who waited may have left; then asyncio would report it


class _Flight(Generic[_T]):
    task: asyncio.Task[_T]
    ticket: int
    sent_at: float
