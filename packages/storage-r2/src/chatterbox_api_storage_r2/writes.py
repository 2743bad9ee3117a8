"""How a write is carried out: alone in this process with what it touches, to its end, within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.bucket import OutcomeUnknown
from chatterbox_api_storage_r2.documents import StorageUnsure, last_unknown_reason
from chatterbox_api_storage_r2.timeouts import Timeouts

__all__ = ["WriteCoordinator"]

_T = TypeVar("_T")


class WriteCoordinator:
    """Carries out writes. Used on one event loop.

        writes = WriteCoordinator(timeouts)
        added = await writes.run(lambda: library.add(draft, audio), {"name anna"}, size_bytes=len(audio.data))

    Args:
        timeouts: how long a write may take as a whole.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._running: set[asyncio.Task[Any]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, work: Callable[[], Awaitable[_T]], touching: Iterable[str], *, size_bytes: int = 0) -> _T:
        """Do the work, while no other write of this process touches the same. Returns and raises what the work does.

        The work goes on when the caller is cancelled. The caller then waits for its end, unless it is cancelled again.

        Args:
            work: the write.
            touching: what it changes, as keys of any kind.
            size_bytes: of the clip that it sends; a larger one has more time.

        Raises:
            Unavailable: `storage_unsure`, its time is over and its outcome unknown; or `storage_busy`, its time is
                over before others have let it begin.
        """
        running = asyncio.create_task(self._in_time(work, touching, size_bytes))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(_mark_retrieved)
            await asyncio.wait([running])
            raise

    async def close(self) -> None:
        """Wait for the writes that are under way, also for those whose callers have left."""
        if self._running:
            await asyncio.wait(self._running)

    async def _in_time(self, work: Callable[[], Awaitable[_T]], touching: Iterable[str], size_bytes: int) -> _T:
        begun = False
        deadline = asyncio.timeout(self._timeouts.write_deadline_for_s(size_bytes))
        try:
            async with deadline, AsyncExitStack() as held:
                for key in sorted(touching):  # in one order, so that no two writes wait for each other
                    await held.enter_async_context(self._locks.setdefault(key, asyncio.Lock()))
                begun = True
                return await work()
        except TimeoutError as error:
            if not deadline.expired():
                raise
            if not begun:
                message = "Too many writes of the same object are waiting; this one was not begun."
                raise Unavailable(message, code="storage_busy", retry_after_s=5) from None
            reason = last_unknown_reason.get() or f"it took longer than {self._timeouts.write_deadline_s:g} s"
            raise StorageUnsure(reason) from error
        except OutcomeUnknown as error:
            raise StorageUnsure(error.reason, error=error.error) from None


def _mark_retrieved(running: asyncio.Future[_T]) -> None:
    """Look at the exception of a write whose caller has left, so that asyncio does not report it."""
    if not running.cancelled():
        running.exception()
