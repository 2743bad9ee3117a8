"""Connections: uvicorn's HTTP/1.1 protocol, with the bounds that it lacks.

A client can send half of a request, or read half of a response, and then nothing more. So a connection has a limit of
time for the headers of a request, for the pause between two requests, and for a response that its client does not read.
The number of connections is limited too: one more closes the connection whose client has been silent the longest, but
none whose request is in work, unless its client reads nothing of the response.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import struct
import sys
import time
from collections import OrderedDict
from email.utils import formatdate
from typing import Any, Final

import h11
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from chatterbox_api.connection_limits import ConnectionLimits
from chatterbox_api.http_refusals import refusal
from chatterbox_api.request_parser import RequestParser
from chatterbox_api.unread_response import UnreadResponse, unacknowledged_bytes

__all__ = ["Connection", "Connections"]

_log = logging.getLogger(__name__)

_LINGER_S: Final = 1.0
_RESET: Final = struct.pack("ii", 1, 0)  # of SO_LINGER: on, 0 s


class Connections(ServerState):
    """All connections of a server.

    Attributes:
        by_silence: the one whose client has been silent the longest comes first.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__()
        self.limits = limits
        self.by_silence: OrderedDict[Connection, None] = OrderedDict()

    def opened(self, connection: Connection) -> None:
        """Count a new connection; where there are too many, close the one that is silent longest, or the new one."""
        others = tuple(self.by_silence)
        self.by_silence[connection] = None
        if len(others) >= self.limits.connections:
            waiting = (other for other in others if other.waits_for_client)
            stalled = (other for other in others if other.is_stalled)
            next(itertools.chain(waiting, stalled, (connection,))).abort()

    def sweep(self) -> None:
        """Close the connections whose time is up, and set the date of responses. To be called about once a second."""
        self.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        now = time.monotonic()
        for connection in tuple(self.by_silence):
            try:
                connection.check(now)
            except Exception:  # a failure of one connection must not end the check of the others
                _log.exception("the limits of a connection could not be checked; it is closed")
                connection.abort()


class Connection(H11Protocol):
    """One connection. `Connections.sweep` checks its limits of time."""

    server_state: Connections

    def __init__(self, config: Config, server_state: Connections, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = server_state.limits
        self.conn: RequestParser = RequestParser(self._limits.header_bytes)
        self._app, self.app = self.app, self._run
        self._received_s = time.monotonic()
        self._deadline_s = self._received_s + self._limits.header_s
        self._between_requests = False
        self._unread: UnreadResponse | None = None
        self._written_bytes = 0  # of the bodies of all responses
        self._refused = False

    @property
    def waits_for_client(self) -> bool:
        """Whether the server waits for the client: there is no complete request, and nothing left to be sent."""
        if self.transport.get_write_buffer_size():
            return False
        return self._idle or (self.cycle.more_body and not self.cycle.response_started)

    @property
    def is_stalled(self) -> bool:
        """Whether a response waits to be sent, and the client has read nothing of it for `idle_s`."""
        return self._unread is not None and self._unread.idle_s(time.monotonic()) > self._limits.idle_s

    @property
    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn declares
        return self._refused or cycle is None or cycle.response_complete

    @property
    def _reads_rest(self) -> bool:
        """Whether the rest of a body is still arriving, behind its response."""
        return self._idle and not self._refused and self.conn.their_state is h11.SEND_BODY

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's; the connection counts from here on."""
        super().connection_made(transport)
        self.server_state.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's; the connection no longer counts."""
        self.server_state.by_silence.pop(self, None)
        self.app = self._app  # no request follows, and the bound method would be a reference cycle
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's; the client is no longer silent, and the first byte of a request starts its limit of time."""
        if self._refused:
            return
        self._received_s = time.monotonic()
        if self in self.server_state.by_silence:
            self.server_state.by_silence.move_to_end(self)
        reads_rest = self._reads_rest
        if self._between_requests and not reads_rest:
            self._between_requests = False
            self._deadline_s = self._received_s + self._limits.header_s
        super().data_received(data)
        if reads_rest and not self._reads_rest and self._idle and not self._refused:
            self._expect_request()

    def handle_events(self) -> None:
        """As uvicorn's; a client that sends too much behind a request in work is cut off."""
        super().handle_events()
        if self._idle or self.cycle.more_body:
            return
        if self.conn.unread_bytes > self._limits.header_bytes:
            self.abort()
        else:
            self.flow.resume_reading()  # else a disconnection would go unnoticed

    def on_response_complete(self) -> None:
        """As uvicorn's; the limit of time for the next request starts."""
        self._expect_request()
        super().on_response_complete()

    def _expect_request(self) -> None:
        limits, begun = self._limits, self.conn.unread_bytes > 0
        wait_s = limits.body_s if self._reads_rest else limits.header_s if begun else limits.keep_alive_s
        self._between_requests = not begun
        self._deadline_s = time.monotonic() + wait_s

    def _should_upgrade(self) -> bool:
        """Never: the server speaks HTTP/1.1 alone, and a client that offers more accepts that."""
        return False

    async def _run(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Run the application for one request; a response that it does not end is cut off, and looks unfinished."""
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
        """Close the connection if its client's time is up.

        Args:
            now: of the monotonic clock, in seconds.
        """
        if self.transport.get_write_buffer_size():
            read_bytes = self._written_bytes - unacknowledged_bytes(self.transport)
            if self._unread is None:
                self._unread = UnreadResponse(read_bytes, now, stall_s=self._limits.stall_s)
            elif self._unread.is_late(read_bytes, now):
                self.abort()
            return
        self._unread = None
        if not self._idle or self.transport.is_closing():
            return
        silent = self._reads_rest and now - self._received_s > self._limits.header_s
        if now < self._deadline_s and not silent:
            return
        if self.conn.unread_bytes and self.conn.our_state is h11.IDLE and not self._refused:
            self._refuse(408)
        else:
            self.transport.close()

    def shutdown(self, *, silent_s: float = 0.0) -> None:
        """Close the connection if it has no request, or half of one whose client has been silent for `silent_s`."""
        if self._idle:
            self.transport.close()  # the rest of a response is sent before
        elif self.waits_for_client and time.monotonic() - self._received_s > silent_s:
            self.abort()
        else:
            self.cycle.keep_alive = False

    def abort(self) -> None:
        """Close the connection at once; its request, if there is one, sees a disconnection.

        In HTTP/1.0 the end of a connection is the end of a body, so an incomplete body ends with a reset.
        """
        self.server_state.by_silence.pop(self, None)
        cycle: RequestResponseCycle | None = self.cycle
        unfinished = not self._idle or self.transport.get_write_buffer_size()
        if unfinished and cycle and cycle.scope["http_version"] != "1.1":
            with contextlib.suppress(OSError):
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse an invalid request. uvicorn calls it while it handles the parser's error, which has the status."""
        error = sys.exception()
        self._refuse(getattr(error, "error_status_hint", 400))

    def _refuse(self, status: int) -> None:
        if not self._idle:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.abort()  # in the middle of a response, which must not look complete
            return
        response, body = refusal(status, self.server_state.default_headers)
        data = () if self.conn.method == b"HEAD" else (h11.Data(data=body),)
        for event in (response, *data, h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """End the response, and read what still arrives: closed at once, the client would get a reset and miss it."""
        self._refused = True
        self._deadline_s = time.monotonic() + _LINGER_S
        self.flow.resume_reading()
        with contextlib.suppress(OSError):  # the client has disconnected
            self.transport.write_eof()
