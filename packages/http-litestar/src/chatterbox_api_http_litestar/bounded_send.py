"""Sends responses to clients that may not read them, within a bound of time."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from litestar.types import Message, Receive, Scope, Send

from chatterbox_api_http_litestar import headers
from chatterbox_api_http_litestar.limits import HttpLimits

__all__ = ["BytesResponse", "ResponseUnreadError", "send_within"]

_log: Final = logging.getLogger(__name__)
_PART_BYTES: Final = 64 * 2**10


class ResponseUnreadError(TimeoutError):
    """The client has not read its response for too long; the server cuts the connection."""


class BytesResponse:
    """An ASGI application that responds with bytes, in parts: a server copies at once what it is given.

    Args:
        headers: beside `content-length`.
        limits: for how long a client may leave its response unread.
    """

    def __init__(self, data: bytes, *, headers: dict[str, str], limits: HttpLimits) -> None:
        self._data, self._headers, self._limits = data, headers, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond. Raises ResponseUnreadError."""
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
                await send_within(send, message, self._limits.send_stall_s)
        except ResponseUnreadError:
            _log.info("%s download failed: answer_unread", headers.request_id(scope))
            raise


async def send_within(send: Send, message: Message, within_s: float) -> None:
    """Send a message; the server takes it once the client has read enough. Raises ResponseUnreadError."""
    deadline = asyncio.timeout(within_s)
    try:
        async with deadline:
            await send(message)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise ResponseUnreadError(f"The client has not read its response for {within_s:g} s.") from None
