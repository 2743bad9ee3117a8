"""Connections: uvicorn's HTTP/1.1 protocol, with the bounds that it lacks.

Whoever connects can send half of something, or take half of something, and then nothing. So a connection has a time for
the headers of a request, for doing nothing between two requests, and for an answer that its client does not take. And
there are at most so many connections: one more closes the one whose client has been silent the longest, never one
whose request is in work, unless its client takes nothing of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import secrets
import socket
import struct
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from chatterbox_api.request_parser import RequestParser
from chatterbox_api.unsent import UnsentAnswer, unsent_bytes

__all__ = ["Connection", "ConnectionLimits", "Connections"]

_log = logging.getLogger(__name__)

_LINGER_S: Final = 1.0
_STILL_S: Final = 5.0
_RESET: Final = struct.pack("ii", 1, 0)  # of SO_LINGER: on, 0 s
_REFUSALS: Final = {
    400: ("invalid_http", "This is no request of HTTP/1.1, or its framing is damaged."),
    408: ("request_timeout", "The headers of the request did not arrive in time."),
    431: ("headers_too_large", "The headers of the request are too large."),
}


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take.

    Attributes:
        connections: the most that are open at once.
        header_s: the longest from the connection, or from the first byte of a later request, to the end of its headers.
        keep_alive_s: the longest that a connection may stay open between two requests.
        stall_s: the longest that a client may take less than 1 KiB a second of an answer that waits for it.
        body_s: the longest that the rest of a body may arrive behind its answer.
        header_bytes: of a request, with its first line; and of what waits behind a request in work.
    """

    connections: int = 2048
    header_s: float = 20.0
    keep_alive_s: float = 75.0
    stall_s: float = 60.0
    body_s: float = 60.0
    header_bytes: int = 2**15


class Connections(ServerState):
    """All connections of a server, the one that has been silent the longest first."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits
        self.by_silence: OrderedDict[Connection, None] = OrderedDict()

    def opened(self, connection: Connection) -> None:
        others = tuple(self.by_silence)
        self.by_silence[connection] = None
        if len(others) >= self.limits.connections:
            waiting = (other for other in others if other.waits_for_client)
            still = (other for other in others if other.is_still)
            next(itertools.chain(waiting, still, (connection,))).abort()

    def sweep(self) -> None:
        """Close what has had its time, and set the date of answers. To be called about once a second."""
        self.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        now = time.monotonic()
        for connection in tuple(self.by_silence):
            try:
                connection.check(now)
            except Exception:  # of one connection must not end the times of all
                _log.exception("the times of a connection could not be checked; it is closed")
                connection.abort()


class Connection(H11Protocol):
    """One connection. Its times are checked by `Connections.sweep`."""

    server_state: Connections

    def __init__(self, config: Config, server_state: Connections, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = server_state.limits
        self.conn: RequestParser = RequestParser(self._limits.header_bytes)
        self._app, self.app = self.app, self._run
        self._heard_at = time.monotonic()
        self._headers_due = self._heard_at + self._limits.header_s
        self._between_requests = False
        self._unsent: UnsentAnswer | None = None
        self._written_bytes = 0  # of the bodies of all answers
        self._refused = False

    @property
    def waits_for_client(self) -> bool:
        """Whether the next move is the client's: there is no complete request, and nothing left to be sent."""
        if self.transport.get_write_buffer_size():
            return False
        return self._idle or (self.cycle.more_body and not self.cycle.response_started)

    @property
    def is_still(self) -> bool:
        """Whether there is something to be sent, and the client has taken none of it for some seconds."""
        return self._unsent is not None and self._unsent.still_s(time.monotonic()) > _STILL_S

    @property
    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn declares
        return self._refused or cycle is None or cycle.response_complete

    @property
    def _reads_rest(self) -> bool:
        """Whether the rest of a body is still arriving, behind its answer."""
        return self._idle and not self._refused and self.conn.their_state is h11.SEND_BODY

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.server_state.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.by_silence.pop(self, None)
        self.app = self._app  # no request follows, and the bound method would be a reference cycle
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._heard_at = time.monotonic()
        if self in self.server_state.by_silence:
            self.server_state.by_silence.move_to_end(self)
        reads_rest = self._reads_rest
        if self._between_requests and not reads_rest:
            self._between_requests = False
            self._headers_due = self._heard_at + self._limits.header_s
        super().data_received(data)
        if reads_rest and not self._reads_rest and self._idle and not self._refused:
            self._expect_request()

    def handle_events(self) -> None:
        super().handle_events()
        if self._idle or self.cycle.more_body:
            return
        if self.conn.unread_bytes > self._limits.header_bytes:
            self.abort()
        else:
            self.flow.resume_reading()  # or it would not be seen that the client is gone

    def on_response_complete(self) -> None:
        self._expect_request()
        super().on_response_complete()

    def _expect_request(self) -> None:
        limits, begun = self._limits, self.conn.unread_bytes > 0
        wait_s = limits.body_s if self._reads_rest else limits.header_s if begun else limits.keep_alive_s
        self._between_requests = not begun
        self._headers_due = time.monotonic() + wait_s

    def _should_upgrade(self) -> bool:
        """Never: HTTP/1.1 is all there is, and a client that offers more takes it."""
        return False

    async def _run(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """The application for one request. An answer that it does not end is cut off, so that it looks unfinished."""
        cycle = self.cycle

        async def send_counted(message: ASGISendEvent) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                self._written_bytes += len(message.get("body", b""))

        try:
            await self._app(scope, receive, send_counted)
        finally:
            if cycle.response_started and not cycle.response_complete and not cycle.disconnected:
                self.abort()

    def check(self, now: float) -> None:
        """End the connection if its client has had its time."""
        if self.transport.get_write_buffer_size():
            taken_bytes = self._written_bytes - unsent_bytes(self.transport)
            if self._unsent is None:
                self._unsent = UnsentAnswer(taken_bytes, now, stall_s=self._limits.stall_s)
            elif self._unsent.is_late(taken_bytes, now):
                self.abort()
            return
        self._unsent = None
        if not self._idle or self.transport.is_closing():
            return
        silent = self._reads_rest and now - self._heard_at > self._limits.header_s
        if now < self._headers_due and not silent:
            return
        if self.conn.unread_bytes and self.conn.our_state is h11.IDLE and not self._refused:
            self._refuse(408)
        else:
            self.transport.close()

    def shutdown(self, *, silent_s: float = 0.0) -> None:
        """Close it if there is no request, or only one whose client has been silent for `silent_s` in its middle."""
        if self._idle:
            self.transport.close()  # what is left of an answer is sent before
        elif self.waits_for_client and time.monotonic() - self._heard_at > silent_s:
            self.abort()
        else:
            self.cycle.keep_alive = False

    def abort(self) -> None:
        """Close it at once. Its request, if there is one, sees that the client is gone.

        To HTTP/1.0 the end of a connection is the end of a body, so one that is not complete ends with a reset.
        """
        self.server_state.by_silence.pop(self, None)
        cycle: RequestResponseCycle | None = self.cycle
        unfinished = not self._idle or self.transport.get_write_buffer_size()
        if unfinished and cycle and cycle.scope["http_version"] != "1.1":
            with contextlib.suppress(OSError):
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; uvicorn calls it while it handles the parser's error, which knows the status."""
        error = sys.exception()
        self._refuse(getattr(error, "error_status_hint", 400))

    def _refuse(self, status: int) -> None:
        if not self._idle:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.abort()  # in the middle of an answer: it must not look complete
            return
        code, message = _REFUSALS.get(status, _REFUSALS[400])
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        body = json.dumps({"error": error}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", f"req_{secrets.token_hex(12)}".encode()),
            (b"x-should-retry", b"false"),
            *self.server_state.default_headers,
        ]
        answer = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
        data = () if self.conn.method == b"HEAD" else (h11.Data(data=body),)
        for event in (answer, *data, h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """End the answer, and take what is still coming: closed at once, the client would be reset and miss it."""
        self._refused = True
        self._headers_due = time.monotonic() + _LINGER_S
        self.flow.resume_reading()
        with contextlib.suppress(OSError):  # the client is gone
            self.transport.write_eof()
