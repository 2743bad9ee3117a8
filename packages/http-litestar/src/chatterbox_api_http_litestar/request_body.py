"""The body of one request: in memory as long as there is room, then in a temporary file.

It belongs to its request: a middleware makes it, and lets go of it when the request ends, however it ends.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from typing import IO, Any, Final, ParamSpec, TypeVar

from litestar import Request
from litestar.types import ASGIApp, Receive, Scope, Send

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_http_litestar.body_budget import BodyBudget
from chatterbox_api_http_litestar.errors import RequestError

__all__ = ["RequestBody", "body_of", "request_bodies"]

P = ParamSpec("P")
T = TypeVar("T")

_ALWAYS_BYTES: Final = 16 * 2**10
"""What each body may have in memory whatever others hold: a flood of uploads does not refuse short requests."""
_BATCH_BYTES: Final = 16 * 2**10
"""Written to the file at once; a thread for each packet would cost more than the writing."""
_STATE_KEY: Final = "chatterbox_api.body"


class RequestBody:
    """Bytes that are appended as they arrive, and read back by range.

    Attributes:
        size: in bytes.
    """

    def __init__(self, budget: BodyBudget, receive: Receive) -> None:
        self.size = 0
        self._budget, self._receive = budget, receive
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._batch = bytearray()
        self._taken = {"memory": 0, "batch": 0, "file": 0, "loaded": 0}

    async def write(self, data: bytes) -> None:
        """Append.

        Raises:
            Overloaded: there is no room, in memory or in temporary files.
            Unavailable: the temporary file cannot be written.
        """
        if self._file is None and self._fits_into_memory(len(data)):
            self._memory += data
        else:
            self._budget.take_file(len(data))
            self._taken["file"] += len(data)
            self._batch += data
            charged = self._budget.take_memory(len(data))
            self._taken["batch"] += len(data) if charged else 0
            if not charged or self._file is None or len(self._batch) >= _BATCH_BYTES:
                await self._flush()
        self.size += len(data)

    async def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of a range."""
        stop = self.size if stop is None else stop
        here = len(self._memory)
        head = bytes(memoryview(self._memory)[start:stop])
        if stop <= here:
            return head
        await self._flush()
        return head + await _in_thread(self._read_file, max(start - here, 0), stop - here)

    async def take(self, start: int, stop: int) -> bytes:
        """The bytes of a range, for the request to work with until it ends; what else there is, is let go of.

        Raises:
            Overloaded: other requests work with as much as there may be, and go on doing so.
            RequestError: 499, the client left meanwhile.
        """
        await self._take_room(stop - start)
        data = await self.read(start, stop)
        self.discard()
        return data

    def close(self) -> None:
        """Let go of the bytes, and of the room of those that were taken. Whoever has taken some still has them."""
        self.discard()
        self._give_back("loaded")

    def _fits_into_memory(self, size: int) -> bool:
        if len(self._memory) + size <= _ALWAYS_BYTES:
            return True
        uncharged = max(_ALWAYS_BYTES - len(self._memory), 0)
        if not self._budget.take_memory(size - uncharged):
            return False
        self._taken["memory"] += size - uncharged
        return True

    async def _flush(self) -> None:
        if self._file is None:
            self._file = await _in_thread(self._new_file)
        batch, self._batch = self._batch, bytearray()
        try:
            await _in_thread(self._file.write, batch)
        finally:
            self._give_back("batch")

    def _new_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._budget.directory)

    def _read_file(self, start: int, stop: int) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(start)
        data = self._file.read(stop - start)
        self._file.seek(0, 2)
        return data

    async def _take_room(self, size: int) -> None:
        """Wait for room to work with the upload, as long as the client is there."""

        async def take() -> None:
            self._taken["loaded"] += await self._budget.take_loaded(size)

        room, gone = asyncio.ensure_future(take()), asyncio.ensure_future(_disconnected(self._receive))
        try:
            await asyncio.wait((room, gone), return_when=asyncio.FIRST_COMPLETED)
            if not room.done():
                raise RequestError(499, "client_closed_request", "The client went away while it waited.")
            room.result()
        finally:
            for task in (room, gone):
                task.cancel()
            await asyncio.gather(room, gone, return_exceptions=True)

    def discard(self) -> None:
        """Let go of the bytes: whoever needs them has read them."""
        self._memory, self._batch = bytearray(), bytearray()
        if (file := self._file) is not None:
            self._file = None
            asyncio.get_running_loop().run_in_executor(None, file.close)  # which waits for what is being written
        for kind in ("memory", "batch", "file"):
            self._give_back(kind)

    def _give_back(self, kind: str) -> None:
        taken, self._taken[kind] = self._taken[kind], 0
        self._budget.give_back(**{"memory" if kind == "batch" else kind: taken})


def body_of(request: Request[Any, Any, Any]) -> RequestBody:
    """The body that belongs to this request."""
    body: RequestBody = request.scope["state"][_STATE_KEY]
    return body


def request_bodies(budget: BodyBudget) -> Callable[[ASGIApp], ASGIApp]:
    """The middleware that gives each request its body."""

    def wrap(app: ASGIApp) -> ASGIApp:
        async def with_body(scope: Scope, receive: Receive, send: Send) -> None:
            body = RequestBody(budget, receive)
            scope["state"][_STATE_KEY] = body
            try:
                await app(scope, receive, send)
            finally:
                body.close()
                scope["state"].pop(_STATE_KEY, None)  # `receive`, which it holds, holds the scope: a reference cycle

        return with_body

    return wrap


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise Unavailable("Temporary files cannot be written.", code="temporary_files_failed") from error


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
