"""Connections: uvicorn's HTTP/1.1 protocol, with the bounds that it lacks.

Whoever connects can send half of something, or take half of something, and then nothing. So a connection has a time for
the headers of a request, for doing nothing between two requests, and for an answer that its client does not take. And
there are at most so many connections: one more closes the one whose client has been silent the longest, never one
whose request is complete.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

__all__ = ["Connection", "ConnectionLimits", "Connections"]

_PROGRESS_BYTES: Final = 4096
_LINGER_S: Final = 1.0
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
        stall_s: the longest that a client may take less than 4 KiB of its answer.
        header_bytes: of a request, with its first line.
    """

    connections: int = 2048
    header_s: float = 20.0
    keep_alive_s: float = 75.0
    stall_s: float = 60.0
    header_bytes: int = 2**15


class Connections(ServerState):
    """All connections of a server, the one that has been silent the longest first."""

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits
        self.by_silence: OrderedDict[Connection, None] = OrderedDict()

    def opened(self, connection: Connection) -> None:
        self.by_silence[connection] = None
        if len(self.by_silence) > self.limits.connections:
            silent = next((other for other in self.by_silence if other.waits_for_client), connection)
            silent.abort()

    def sweep(self) -> None:
        """Close what has had its time, and set the date of answers. To be called about once a second."""
        self.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        now = time.monotonic()
        for connection in tuple(self.by_silence):
            connection.check(now)


class Connection(H11Protocol):
    """One connection. Its times are checked by `Connections.sweep`."""

    server_state: Connections

    def __init__(self, config: Config, server_state: Connections, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = server_state.limits
        self._heard_at = time.monotonic()
        self._headers_due = self._heard_at + self._limits.header_s
        self._between_requests = False
        self._untaken: tuple[int, float] | None = None  # bytes of the answer, since when
        self._refused = False

    @property
    def waits_for_client(self) -> bool:
        """Whether the next move is the client's: there is no complete request, and nothing left to be sent."""
        if self.transport.get_write_buffer_size():
            return False
        return self._idle or (self.cycle.more_body and not self.cycle.response_started)

    @property
    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn declares
        return self._refused or cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.server_state.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.by_silence.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._heard_at = time.monotonic()
        if self in self.server_state.by_silence:
            self.server_state.by_silence.move_to_end(self)
        if self._between_requests:
            self._between_requests = False
            self._headers_due = self._heard_at + self._limits.header_s
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._between_requests = True
        self._headers_due = time.monotonic() + self._limits.keep_alive_s
        super().on_response_complete()

    def resume_writing(self) -> None:
        self._untaken = None
        super().resume_writing()

    def check(self, now: float) -> None:
        """End the connection if its client has had its time."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            if self._untaken is None or self._untaken[0] - unsent >= _PROGRESS_BYTES:
                self._untaken = (unsent, now)
            elif now - self._untaken[1] > self._limits.stall_s:
                self.abort()
            return
        self._untaken = None
        if not self._idle or now < self._headers_due or self.transport.is_closing():
            return
        if self.conn.trailing_data[0] and self.conn.our_state is h11.IDLE and not self._refused:
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
        """Close it at once. Its request, if there is one, sees that the client is gone."""
        self.server_state.by_silence.pop(self, None)
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
            self.transport.abort()  # in the middle of an answer: it must not look complete
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
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """End the answer, and take what is still coming: closed at once, the client would be reset and miss it."""
        self._refused = True
        self._headers_due = time.monotonic() + _LINGER_S
        self.flow.resume_reading()
        self.transport.write_eof()
