"""Reads what is left of a request's body before a response that closes the connection."""

from __future__ import annotations

import time
from typing import Any, Final

from litestar.types import HTTPScope, Message, Receive, Send

from chatterbox_api_http_litestar.body_reading import drain_body

__all__ = ["BodyDrain"]

_LEAST_S: Final = 1.0


class BodyDrain:
    """Follows one request's body, and reads its rest where the response would otherwise not arrive.

    Args:
        receive_s: the longest that the body may take to arrive.
    """

    def __init__(self, scope: HTTPScope, receive: Receive, *, receive_s: float) -> None:
        self._scope, self._receive = scope, receive
        self._deadline_s = time.monotonic() + receive_s
        self._was_read = self._ended = self._end_is_next = False

    async def receive(self) -> Any:
        """ASGI's `receive`, with the end of the body as a message of its own.

        So a handler that refuses the last bytes still sees the end.
        """
        if self._end_is_next:
            self._end_is_next = False
            return {"type": "http.request", "body": b"", "more_body": False}
        self._was_read = True
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self._ended = True
            if message.get("body"):
                self._end_is_next = True
                return {**message, "more_body": True}
        return message

    def before_response(self, send: Send) -> Send:
        """ASGI's `send`, which first reads the rest of the body where the response closes the connection.

        A server closes such a connection with the response. A client that is still sending would get a reset and
        never see it. A connection that stays open reads the rest behind the response.
        """

        async def send_after_the_body(message: Message) -> None:
            if message["type"] == "http.response.start" and self._must_be_drained():
                await drain_body(self.receive, within_s=max(self._deadline_s - time.monotonic(), _LEAST_S))
            await send(message)

        return send_after_the_body

    def _must_be_drained(self) -> bool:
        if self._ended or not (self._values(b"transfer-encoding") or self._values(b"content-length") - {"0"}):
            return False
        if "100-continue" in self._values(b"expect") and not self._was_read:
            return False  # the client sends nothing before the server asks for it
        return self._scope.get("http_version") == "1.0" or "close" in self._values(b"connection")

    def _values(self, name: bytes) -> set[str]:
        """The values of a header that is a list."""
        return {
            value.strip().lower()
            for header, values in self._scope["headers"]
            if header.lower() == name
            for value in values.decode("latin-1").split(",")
        }
