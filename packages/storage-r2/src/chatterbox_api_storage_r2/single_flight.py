"""One request at a time for each key, for all who want its answer, and no answer that is too old for its caller.

An answer says how things were at some moment after its request was sent. A caller who comes later may know better,
because somebody has told it of a change. So it takes the answer of a request that was sent after it came. Where there
is none it waits for the next request, which it shares with all who come until then. Thus reads are linearizable, and
take as long as two requests at most. A caller that can use an older answer says how old it may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, Generic, TypeVar

__all__ = ["SingleFlight", "logical_time"]

_T = TypeVar("_T")
_moments: Final = count(1)


def logical_time() -> int:
    """This moment, as a number that is higher than that of every moment before."""
    return next(_moments)


class SingleFlight(Generic[_T]):
    """Requests that many callers share. Used on one event loop.

        voices = SingleFlight[Record | None](time.time)
        call = voices.call(voice_id, lambda: fetch(voice_id), since=logical_time())
        await asyncio.wait([call])

    Args:
        clock: in seconds; it measures `max_age_s`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent: dict[str, _Call[_T]] = {}
        self._next: dict[str, _Call[_T]] = {}
        self._tasks: set[asyncio.Task[_T]] = set()

    def call(
        self, key: str, fetch: Callable[[], Awaitable[_T]], *, since: int, max_age_s: float = 0.0
    ) -> asyncio.Task[_T]:
        """The request whose answer serves a caller that came at `since`; begun with `fetch` if there is none.

        Wait for it with `asyncio.wait`: then a caller that gives up takes nothing from the others.

        Args:
            key: requests of the same key are shared.
            since: the `logical_time` at which the caller came.
            max_age_s: a request that was sent before, but not longer ago than this, serves the caller too.
        """
        sent = self._sent.get(key)
        if sent is not None and (sent.sent_at > since or 0 <= self._clock() - sent.sent_at_s < max_age_s):
            return sent.task
        # The request under way is too old for this caller. The next one starts once that has ended, so that there is
        # one at a time; all who come until then are served by it, since it is sent after they came.
        call = self._next.get(key)
        if call is None:
            call = self._next[key] = _Call()
            call.task = asyncio.create_task(self._run(key, call, fetch, after=sent))
            self._tasks.add(call.task)
            call.task.add_done_callback(self._ended)
        return call.task

    async def close(self) -> None:
        """Cancel the requests that are under way."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _run(
        self, key: str, call: _Call[_T], fetch: Callable[[], Awaitable[_T]], *, after: _Call[_T] | None
    ) -> _T:
        try:
            if after is not None:
                await asyncio.wait([after.task])
        finally:
            # From here on a new caller is too late to share this request, unless it can use an older answer.
            del self._next[key]
        self._sent[key], call.sent_at, call.sent_at_s = call, logical_time(), self._clock()
        try:
            return await fetch()
        finally:
            del self._sent[key]

    def _ended(self, task: asyncio.Task[_T]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # all who waited may have left; asyncio would report an exception that nobody looked at


class _Call(Generic[_T]):
    """A request: its task, and when it was sent, in logical time and by the clock."""

    task: asyncio.Task[_T]
    sent_at: int
    sent_at_s: float
