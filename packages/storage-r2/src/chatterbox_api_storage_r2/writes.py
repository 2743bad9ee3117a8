"""How a write is carried out: alone in this process with what it touches, to its end, within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.bucket import Doubtful
from chatterbox_api_storage_r2.documents import Unsure, last_doubt

__all__ = ["Writes"]

_T = TypeVar("_T")
_BYTES_PER_S: Final = 256 * 1024
"""Slower than this a clip is not worth waiting for."""


class Writes:
    """Used on one event loop.

    Args:
        deadline_s: for a write as a whole; a second more for each 256 KiB of a clip.
    """

    def __init__(self, *, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._running: set[asyncio.Task[Any]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def do(self, work: Callable[[], Awaitable[_T]], touching: Iterable[str], *, size_bytes: int = 0) -> _T:
        """What `work` returns. A caller who cancels this waits for the end of it, unless it cancels again.

        Raises:
            Unavailable: `storage_unsure`, when its time is over and nobody can say what became of it; `storage_busy`,
                when it is over before its turn has come.
        """
        running = asyncio.create_task(self._in_time(work, touching, size_bytes))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(_seen)
            await asyncio.wait([running])
            raise

    async def close(self) -> None:
        """Wait for what runs, also where its caller has left."""
        if self._running:
            await asyncio.wait(self._running)

    async def _in_time(self, work: Callable[[], Awaitable[_T]], touching: Iterable[str], size_bytes: int) -> _T:
        begun = False
        deadline = asyncio.timeout(self._deadline_s + size_bytes / _BYTES_PER_S)
        try:
            async with deadline, AsyncExitStack() as held:
                for key in sorted(touching):  # in one order, so that no two wait for each other
                    await held.enter_async_context(self._locks.setdefault(key, asyncio.Lock()))
                begun = True
                return await work()
        except TimeoutError as error:
            if not deadline.expired():
                raise
            if not begun:
                message = "Too many writes of the same thing wait for their turn; this one was not begun."
                raise Unavailable(message, code="storage_busy", retry_after_s=5) from None
            reason = last_doubt.get() or f"it took longer than {self._deadline_s:g} s"
            raise Unsure(reason) from error
        except Doubtful as error:
            raise Unsure(error.reason, error=error.error) from None


def _seen(running: asyncio.Future[_T]) -> None:
    """Look at the failure of a write whose caller has left, so that asyncio does not report it."""
    if not running.cancelled():
        running.exception()
