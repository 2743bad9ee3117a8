"""A producer that runs ahead of its reader, as far as a bound in bytes allows.

An engine must not wait for a slow client: its place is worth more than the memory of what it has made. So the work
goes on in a task of its own, and is over, closed and given back as soon as its bytes are made, read or not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

__all__ = ["RunAhead"]


class RunAhead:
    """An async iterator of the bytes of `source`. Made in a running event loop; must be closed.

    Args:
        max_bytes: what may wait unread before the source is held up.
        on_done: called once the source is closed, whatever ended it.
    """

    def __init__(self, source: AsyncGenerator[bytes, None], *, max_bytes: int, on_done: Callable[[], None]) -> None:
        self._source, self._max_bytes, self._on_done = source, max_bytes, on_done
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._finish)

    def __aiter__(self) -> RunAhead:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes; what the source raised comes after all the bytes before it."""
        await self._until(lambda: bool(self._unread) or self._task.done())
        if not self._unread:
            self._task.result()
            raise StopAsyncIteration
        data = self._unread.popleft()
        self._unread_bytes -= len(data)
        self._changed.set()
        return data

    async def aclose(self) -> None:
        """Stop the work and wait until the source is closed."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        async with aclosing(self._source):
            async for data in self._source:
                await self._until(lambda: self._unread_bytes < self._max_bytes)
                self._unread.append(data)
                self._unread_bytes += len(data)
                self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _finish(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not report what nobody read
        self._on_done()
        self._changed.set()
