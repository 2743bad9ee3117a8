"""The bytes of a request, made as fast as the engine and the encoder make them, read as slowly as the reader reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from chatterbox_api_core.speech.spool import Spool

__all__ = ["ReadAhead"]

_CHUNK_BYTES: Final = 256 * 1024


class ReadAhead:
    """An async iterator of bytes. Made in a running event loop; must be closed, and closes the steps and the spool.

    Args:
        steps: the work; with each step it may have written into the spool.
        whole: hand over nothing before all is made, for sizes that are true.
        on_done: called once the steps are closed, whatever ended them.
    """

    def __init__(
        self, steps: AsyncGenerator[None, None], spool: Spool, *, whole: bool, on_done: Callable[[], None]
    ) -> None:
        self._steps, self._spool, self._whole, self._on_done = steps, spool, whole, on_done
        self._advanced = asyncio.Event()
        self._begun = False
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._finish)

    def __aiter__(self) -> ReadAhead:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes. What the steps raised comes after all the bytes before it; of a whole, instead of them."""
        # A header that is written before the first sound is no sound: until then a failure comes instead of bytes.
        if self._whole or not self._begun:
            await (self.size_bytes() if self._whole else self._advanced.wait())
        while True:
            done = self._task.done()
            self._advanced.clear()
            if self._begun and (data := await self._spool.read_next(_CHUNK_BYTES)):
                return data
            if done:
                self._task.result()
                raise StopAsyncIteration
            if not self._task.done():
                await self._advanced.wait()

    async def size_bytes(self) -> int:
        """How many bytes there are, once all is made. Raises what the steps raise."""
        await asyncio.wait((self._task,))
        self._task.result()
        return self._spool.size_bytes

    async def aclose(self) -> None:
        """Let go of the bytes, stop the work, and wait until it is closed."""
        self._spool.close()
        self._task.cancel()
        await asyncio.wait((self._task,))
        # A task keeps its exception, whose traceback keeps every frame of the work, this object among them: a reference
        # cycle that holds the encoder until Python's collector comes by.
        self._task = asyncio.create_task(_closed())
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        async with aclosing(self._steps):
            async for _ in self._steps:
                self._spool.check()
                self._begun = True
                self._advanced.set()

    def _finish(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not report what nobody read
        self._on_done()
        del self._on_done  # it may hold the owner of this object, which would be a reference cycle
        self._advanced.set()


async def _closed() -> None:
    """What is done once all is closed: nothing."""
