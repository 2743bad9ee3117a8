"""The body of one request: in memory as long as there is room, then in a temporary file.

A middleware makes it for its request, and closes it when the request ends, however it ends.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from typing import IO, Final, ParamSpec, TypeVar

from litestar.types import ASGIApp, Receive, Scope, Send

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_http_litestar.body_budget import BodyBudget
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.litestar_types import AnyRequest

__all__ = ["RequestBody", "body_of", "request_bodies"]

P = ParamSpec("P")
T = TypeVar("T")

_ALWAYS_BYTES: Final = 16 * 2**10
"""What each body may have in memory whatever others hold: a flood of uploads does not refuse short requests."""
_BATCH_BYTES: Final = 16 * 2**10
"""Written to the file in one call; a thread for each packet would cost more than the writing."""
_STATE_KEY: Final = "chatterbox_api.body"


class RequestBody:
    """Bytes that are appended as they arrive, and read back by range.

    Args:
        budget: of the bodies of all requests.
        receive: of the request; it says when the client disconnects.

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

    @property
    def memory_bytes(self) -> int:
        """How much of the body is in memory, what is about to be written to the file included."""
        return len(self._memory) + len(self._batch)

    async def write(self, data: bytes) -> None:
        """Append bytes.

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
        """The bytes of a range, to the end where `stop` is None. Raises Unavailable where the file fails."""
        stop = self.size if stop is None else stop
        here = len(self._memory)
        head = bytes(memoryview(self._memory)[start:stop])
        if stop <= here:
            return head
        await self._flush()
        return head + await _in_thread(self._read_file, max(start - here, 0), stop - here)

    async def take(self, start: int, stop: int) -> bytes:
        """Read the bytes of a range for the request to use until it ends, and discard the body.

        Raises:
            Overloaded: other requests use all the room, and none is freed in time.
            RequestError: 499, the client disconnects meanwhile.
            Unavailable: the temporary file cannot be read.
        """
        await self._take_room(stop - start)
        data = await self.read(start, stop)
        self.discard()
        return data

    def close(self) -> None:
        """Discard the body and free the room of what was taken. Bytes that `take` has returned stay valid."""
        self.discard()
        self._free("loaded")

    def discard(self) -> None:
        """Free the memory and the file of a body that has been read."""
        self._memory, self._batch = bytearray(), bytearray()
        if (file := self._file) is not None:
            self._file = None
            # Closing waits for a write in another thread, which must not hold up the event loop.
            asyncio.get_running_loop().run_in_executor(None, file.close)
        for kind in ("memory", "batch", "file"):
            self._free(kind)

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
            self._free("batch")

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
        """Wait for room to read the upload back, as long as the client is connected."""

        async def take() -> None:
            self._taken["loaded"] += await self._budget.take_loaded(size)

        room = asyncio.ensure_future(take())
        disconnected = asyncio.ensure_future(_wait_for_disconnect(self._receive))
        try:
            await asyncio.wait((room, disconnected), return_when=asyncio.FIRST_COMPLETED)
            if not room.done():
                raise RequestError(499, "client_closed_request", "The client disconnected while it waited.")
            room.result()
        finally:
            for task in (room, disconnected):
                task.cancel()
            await asyncio.gather(room, disconnected, return_exceptions=True)

    def _free(self, kind: str) -> None:
        taken, self._taken[kind] = self._taken[kind], 0
        self._budget.free(**{"memory" if kind == "batch" else kind: taken})


def body_of(request: AnyRequest) -> RequestBody:
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


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
