"""A proxy between a client and an S3 server that does to requests what networks and servers do.

Headers pass unchanged, so signatures stay right: a client signs the address it calls, which is the proxy's, and the
servers verify the one that they are sent. It runs in a thread of its own, so a test may use it from any code, and it
takes one request per connection, so that a fault is chosen for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

__all__ = ["ANSWERS", "FAULTS", "FaultProxy", "Request"]

ANSWERS: Final = {
    "401": (401, "Unauthorized"),
    "403": (403, "AccessDenied"),
    "403key": (403, "InvalidAccessKeyId"),
    "403signature": (403, "SignatureDoesNotMatch"),
    "404bucket": (404, "NoSuchBucket"),
    "429": (429, "TooManyRequests"),
    "500": (500, "InternalError"),
    "501": (501, "NotImplemented"),
    "503": (503, "SlowDown"),
    "skew": (403, "RequestTimeTooSkewed"),
    "lost-reply": (500, "InternalError"),
    "lost-request": (500, "InternalError"),
}
"""The faults that are an answer of the proxy's own: its status and S3's code."""

FAULTS: Final = ("pass", "down", "blackhole", "slow", "reset", "end", "stall", "corrupt", *ANSWERS)
"""
pass          nothing
down          nobody listens: connections are refused
blackhole     the request is taken, and never answered
slow          the answer drips
reset, end    half of the answer, then the connection is reset or ended
stall         half of the answer, then nothing
corrupt       one byte of the answer's body is another
lost-reply    the request is done, and answered with a 500
lost-request  the request is not done, and answered with a 500
and refusals, see ANSWERS; any other is written as its status and S3's code, `507 XMinioStorageFull`, or as its status
alone for an answer that is none of S3's.
"""

_ANSWER: Final = re.compile(r"([2-5]\d\d)(?: (\w+))?")

_SLOW_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    head: bytes
    body: bytes


class FaultProxy:
    """See the module. A context manager.

    Args:
        upstream: the server's address; a path in it stays.

    Attributes:
        url: what the client is to be given instead of the server's address.
        slow_bytes: how many of them a slow answer gives every 0.2 seconds.
        requests: how many there were of each method, faulted or not; refused connections are not seen.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._fault = "pass"
        self._when: Callable[[Request], bool] | None = None
        self._nth: int | None = None
        self._matched = 0
        self._listener = _listening(0)
        self._port: int = self._listener.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self.url = f"http://127.0.0.1:{self._port}{parts.path}"
        self.slow_bytes = 16
        self.requests: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        self.fault = "pass"
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    @property
    def open_requests(self) -> int:
        """How many connections are being served, or kept waiting."""
        return len(self._clients)

    @property
    def fault(self) -> str:
        return self._fault

    @fault.setter
    def fault(self, fault: str) -> None:
        self.fail(fault)

    def fail(self, fault: str, *, when: Callable[[Request], bool] | None = None, nth: int | None = None) -> None:
        """Choose the fault of the requests to come: of those that `when` picks, or only the nth of them, from 1."""
        assert fault in FAULTS or _ANSWER.fullmatch(fault)
        self._call(self._set(fault, when, nth))

    def _call(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=10)

    async def _set(self, fault: str, when: Callable[[Request], bool] | None, nth: int | None) -> None:
        self._when, self._nth, self._matched = when, nth, 0
        if fault == "down" and self._server is not None:
            self._server.close()
            self._server = None
        elif fault != "down" and self._server is None:
            if self._listener.fileno() < 0:
                self._listener = _listening(self._port)
            self._server = await asyncio.start_server(self._client, sock=self._listener)
        self._fault = fault

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._listener.close()
        await asyncio.sleep(0.01)  # in which a connection that was just taken begins to be served
        while self._clients:
            for task, writer in self._clients.items():
                task.cancel()
                writer.transport.abort()
            await asyncio.wait(self._clients)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                request = await _read_request(reader)
                self.requests[request.method] += 1
                await self._serve(request, self._chosen(request), reader, writer)
        finally:
            await _closed(writer)
            del self._clients[task]

    def _chosen(self, request: Request) -> str:
        if self._when is not None and not self._when(request):
            return "pass"
        self._matched += 1
        return self._fault if self._nth in (None, self._matched) else "pass"

    async def _serve(
        self, request: Request, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if fault == "blackhole":
            await reader.read()  # until the client gives up
            return
        if fault in ANSWERS:
            if fault == "lost-reply":
                await self._forward(request)
            reply = _answer(*ANSWERS[fault])
        elif (answer := _ANSWER.fullmatch(fault)) is not None:
            reply = _answer(int(answer[1]), answer[2] or "")
        else:
            reply = await self._forward(request)
        half = len(reply) // 2
        if fault in ("reset", "end", "stall"):
            writer.write(reply[:half])
            await writer.drain()
        if fault == "reset":
            on_close = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, on_close)
            writer.transport.abort()
        elif fault == "stall":
            await reader.read()
        elif fault == "slow":
            for start in range(0, len(reply), self.slow_bytes):
                writer.write(reply[start : start + self.slow_bytes])
                await writer.drain()
                await asyncio.sleep(_SLOW_PAUSE_S)
        elif fault != "end":
            writer.write(reply if fault != "corrupt" else _corrupted(reply))
            await writer.drain()

    async def _forward(self, request: Request) -> bytes:
        """The server's whole answer."""
        reader, writer = await asyncio.open_connection(*self._upstream)
        try:
            first, _, rest = request.head.partition(b"\r\n")
            writer.write(first + b"\r\nConnection: close\r\n" + rest + request.body)
            await writer.drain()
            return await reader.read()
        finally:
            await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return Request(method, target, head, await reader.readexactly(length))


def _answer(status: int, code: str) -> bytes:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>As the test wants it.</Message>'
        f"<AWSAccessKeyId>{_ECHOED}</AWSAccessKeyId><StringToSign>{_ECHOED}</StringToSign></Error>"
    ).encode()
    body = body if code else b"<html>As a gateway says it.</html>"
    again = "Retry-After: 3\r\n" if status in (429, 503) else ""
    head = (
        f"HTTP/1.1 {status} {code or 'None'}\r\nContent-Type: application/xml\r\n{again}Content-Length: {len(body)}\r\n"
    )
    return head.encode() + b"Connection: close\r\n\r\n" + body


_ECHOED: Final = "echoed-by-the-server"
"""What a server sends back of a request it refuses; nobody is to see it."""


def _corrupted(reply: bytes) -> bytes:
    head, end, body = reply.partition(b"\r\n\r\n")
    middle = len(body) // 2
    return head + end + body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else reply


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener
