"""A client that costs the machine little: HTTP/1.1 on one connection, and when each part of a body arrived.

Made for the bodies of servers that are measured: a length, chunks, or all until the connection closes.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Address", "Answer", "Connection", "json_request"]

_MAX_HEAD: Final = 65_536


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the path before its routes."""

    host: str
    port: int
    prefix: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{url} is no address with http://")
        return cls(parts.hostname, parts.port or 80, parts.path.rstrip("/"))


@dataclass(slots=True)
class Answer:
    """An answer, and its time line in seconds of `time.perf_counter`.

    Attributes:
        arrivals: when, and how many bytes of the body were there by then.
        complete: whether the body has its end; a connection that closes amid it leaves it False.
        kept: the body, where it was to be kept.
    """

    began_s: float
    status: int = 0
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    ended_s: float = 0.0
    complete: bool = False
    kept: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        return self.arrivals[-1][1] if self.arrivals else 0

    def arrivals_after(self, size: int) -> list[tuple[float, int]]:
        """The arrivals of the bytes that follow so many."""
        return [(at_s, total - size) for at_s, total in self.arrivals if total > size]

    def first_after(self, size: int) -> float | None:
        """When more than so many bytes of the body were there; None if that was never so."""
        return next((at_s for at_s, total in self.arrivals if total > size), None)


class Connection:
    """One connection, opened with the first request and again where the server has closed it. One request at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._protocol: _Protocol | None = None

    async def send(self, request: bytes, *, keep_body: bool = False) -> Answer:
        """Send a request and wait for its whole answer. OSError where the server cannot be reached."""
        began_s = time.perf_counter()
        if self._protocol is None or not self._protocol.usable:
            loop = asyncio.get_running_loop()
            _, self._protocol = await loop.create_connection(_Protocol, self._address.host, self._address.port)
        try:
            return await self._protocol.send(request, Answer(began_s), keep_body=keep_body)
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.usable = False
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Answer] | None = None
        self._answer = Answer(0.0)
        self._keep_body = False
        self._body = _Body()
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.usable = transport, True

    async def send(self, request: bytes, answer: Answer, *, keep_body: bool) -> Answer:
        assert self._transport is not None
        self._answer, self._keep_body, self._head, self._body = answer, keep_body, b"", _Body()
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._done

    def data_received(self, data: bytes) -> None:
        if self._done is None or self._done.done():
            return
        now_s = time.perf_counter()
        if not self._answer.status:
            data = self._read_head(data)
            if not self._answer.status:
                return
        part = self._body.feed(data)
        if part:
            self._answer.arrivals.append((now_s, self._answer.size + len(part)))
            if self._keep_body:
                self._answer.kept += part
        if self._body.ended:
            self._finish(now_s, complete=True)

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        if self._done is not None and not self._done.done():
            self._finish(time.perf_counter(), complete=self._body.ends_with_connection and bool(self._answer.status))

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _read_head(self, data: bytes) -> bytes:
        """Take the headers in, and return what follows them."""
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if not found:
            if len(self._head) > _MAX_HEAD:
                self.close()
            return b""
        lines = head.split(b"\r\n")
        self._answer.status = int(lines[0].split(b" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        self._body = _Body(headers)
        return rest

    def _finish(self, now_s: float, *, complete: bool) -> None:
        self._answer.ended_s, self._answer.complete = now_s, complete
        if not complete or self._body.closes:
            self.close()
        assert self._done is not None
        self._done.set_result(self._answer)


class _Body:
    """The framing of one body."""

    def __init__(self, headers: dict[bytes, bytes] | None = None) -> None:
        headers = headers or {}
        length = headers.get(b"content-length")
        self._chunks = _Chunks() if headers.get(b"transfer-encoding", b"").lower() == b"chunked" else None
        self._left = int(length or 0)
        self.ends_with_connection = self._chunks is None and length is None
        self.closes = self.ends_with_connection or headers.get(b"connection", b"").lower() == b"close"
        self.ended = length is not None and self._chunks is None and self._left == 0

    def feed(self, data: bytes) -> bytes:
        """The body's bytes in this part of the connection's."""
        if self._chunks is not None:
            part = self._chunks.feed(data)
            self.ended = self._chunks.ended
            return part
        if not self.ends_with_connection:
            self._left -= len(data)
            self.ended = self._left <= 0
        return data


class _Chunks:
    """The chunks of a body: lines of sizes, and as many bytes behind each."""

    def __init__(self) -> None:
        self.ended = self._is_last = False
        self._left = 0
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        found: list[bytes] = []
        pending, at = self._pending + data, 0
        while not self.ended and at < len(pending):
            if self._left:
                part = pending[at : at + self._left]
                found.append(part)
                at += len(part)
                self._left -= len(part)
                continue
            line_end = pending.find(b"\r\n", at)
            if line_end < 0:
                break
            line = pending[at:line_end].partition(b";")[0].strip()
            at = line_end + 2
            if self._is_last:
                self.ended = not line  # what comes before the empty line are trailers
            elif line:  # an empty one ends a chunk's bytes
                self._left = int(line, 16)
                self._is_last = self._left == 0
        self._pending = pending[at:]
        return b"".join(found)


def json_request(address: Address, path: str, body: object | None = None) -> bytes:
    """A GET, or with a body a POST of it as JSON."""
    data = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    lines = [f"{method} {address.prefix}{path} HTTP/1.1", f"Host: {address.host}:{address.port}", "Accept: */*"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data
