"""Sending an answer to a client that may not take it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from litestar.types import Message, Receive, Scope, Send

from chatterbox_api_http_litestar import headers
from chatterbox_api_http_litestar.limits import HttpLimits

__all__ = ["AnswerUnreadError", "BytesAnswer", "send_in_time"]

_log: Final = logging.getLogger(__name__)
_PART_BYTES: Final = 64 * 2**10


class AnswerUnreadError(TimeoutError):
    """The client has left its answer unread for too long; its connection is to be cut."""


class BytesAnswer:
    """An ASGI application that answers with bytes, in parts: a server copies what it is given at once.

    Args:
        headers: beside `content-length`.
        limits: for how long a client may leave its answer unread.
    """

    def __init__(self, data: bytes, *, headers: dict[str, str], limits: HttpLimits) -> None:
        self._data, self._headers, self._limits = data, headers, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fields = {**self._headers, "content-length": str(len(self._data))}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        size = 0 if scope.get("method") == "HEAD" else len(self._data)
        try:
            for start in range(0, max(size, 1), _PART_BYTES):
                stop = min(start + _PART_BYTES, size)
                message: Message = {
                    "type": "http.response.body",
                    "body": self._data[start:stop],
                    "more_body": stop < size,
                }
                await send_in_time(send, message, self._limits.send_stall_s)
        except AnswerUnreadError:
            _log.info("%s download failed: answer_unread", headers.request_id(scope))
            raise


async def send_in_time(send: Send, message: Message, within_s: float) -> None:
    """Send, as soon as the client has taken enough of what was sent before. Raises AnswerUnreadError."""
    deadline = asyncio.timeout(within_s)
    try:
        async with deadline:
            await send(message)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise AnswerUnreadError(f"The client has not read its answer for {within_s:g} s.") from None
