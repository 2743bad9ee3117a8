"""The bytes of a request, made as fast as the engine and the encoder make them, read as slowly as the reader reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from chatterbox_api_core.speech.spool import Spool

__all__ = ["ReadAhead"]

_CHUNK_BYTES: Final = 256 * 1024


class ReadAhead:
    """An async iterator of bytes. Made in a running event loop; must be started, and closed.

    Args:
        spool: what the work writes into; it is closed with this object.
        streaming: whether bytes are handed over as they are made; otherwise none before all is made, for true sizes.
        on_done: called once the work has ended, whatever ended it.
    """

    def __init__(self, spool: Spool, *, streaming: bool, on_done: Callable[[], None]) -> None:
        self._spool, self._streaming, self._on_done = spool, streaming, on_done
        self._advanced = asyncio.Event()
        self._begun = False
        self._task: asyncio.Task[None]

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin the work, which calls `advance` whenever it has written sound into the spool."""
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._finish)

    def advance(self) -> None:
        """There may be more bytes in the spool."""
        self._begun = True
        self._advanced.set()

    def __aiter__(self) -> ReadAhead:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes. What the work raised comes after all the bytes before it; of a whole, instead of them."""
        # A header that is written before the first sound is no sound: until then a failure comes instead of bytes.
        if not self._streaming:
            await self.size_bytes()
        elif not self._begun:
            await self._advanced.wait()
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
        """How many bytes there are, once all is made. Raises what the work raises."""
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

    def _finish(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not report what nobody read
        self._on_done()
        del self._on_done  # it may hold the owner of this object, which would be a reference cycle
        self._advanced.set()


async def _closed() -> None:
    """What is done once all is closed: nothing."""
