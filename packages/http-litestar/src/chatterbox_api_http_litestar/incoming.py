"""The body of a request as the server hands it over, and what is left of it when its answer begins."""

from __future__ import annotations

import time
from typing import Any, Final

from litestar.types import HTTPScope, Message, Receive, Send

from chatterbox_api_http_litestar.receiving import read_away

__all__ = ["Incoming"]

_LEAST_S: Final = 1.0


class Incoming:
    """One request's body on its way in.

    Args:
        receive_s: the longest it may take to arrive.
    """

    def __init__(self, scope: HTTPScope, receive: Receive, *, receive_s: float) -> None:
        self._scope, self._receive = scope, receive
        self._due = time.monotonic() + receive_s
        self._asked = self._ended = self._end_is_next = False

    async def receive(self) -> Any:
        """As ASGI has it, with the end as a message of its own: whoever refuses the last bytes still sees the end."""
        if self._end_is_next:
            self._end_is_next = False
            return {"type": "http.request", "body": b"", "more_body": False}
        self._asked = True
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self._ended = True
            if message.get("body"):
                self._end_is_next = True
                return {**message, "more_body": True}
        return message

    def before_answer(self, send: Send) -> Send:
        """`send`, which takes what is left of the body before an answer that ends the connection.

        A server closes such a connection with the answer, and a client that is still sending would be reset and never
        see it. A connection that stays open takes the rest behind the answer.
        """

        async def send_after_the_body(message: Message) -> None:
            if message["type"] == "http.response.start" and self._must_be_taken():
                await read_away(self.receive, within_s=max(self._due - time.monotonic(), _LEAST_S))
            await send(message)

        return send_after_the_body

    def _must_be_taken(self) -> bool:
        if self._ended or not (self._values(b"transfer-encoding") or self._values(b"content-length") - {"0"}):
            return False
        if "100-continue" in self._values(b"expect") and not self._asked:
            return False  # its client sends nothing before it is told to
        return self._scope.get("http_version") == "1.0" or "close" in self._values(b"connection")

    def _values(self, name: bytes) -> set[str]:
        """The values of a header that is a list."""
        return {
            value.strip().lower()
            for header, values in self._scope["headers"]
            if header.lower() == name
            for value in values.decode("latin-1").split(",")
        }
