"""Taking bodies in: within their time, and to the end even where they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeAlias, TypeVar

from litestar import Request
from litestar.exceptions import HTTPException, InternalServerException

from chatterbox_api_http_litestar.errors import RequestError

__all__ = ["AnyRequest", "received", "too_large"]

AnyRequest: TypeAlias = Request[Any, Any, Any]
T = TypeVar("T")

_READ_AWAY_BYTES: Final = 64 * 2**20


async def received(request: AnyRequest, arriving: Awaitable[T], within_s: float) -> T:
    """What arrives, or RequestError: 408 when it is late, 413 when it is too large, 499 when the client left."""
    try:
        async with asyncio.timeout(within_s):
            try:
                return await arriving
            except (HTTPException, RequestError) as error:
                if _status(error) != 413:
                    raise
                await _read_away(request)
                raise (error if isinstance(error, RequestError) else too_large()) from None
    except TimeoutError:
        raise RequestError(408, "request_timeout", f"The request did not arrive within {within_s:g} s.") from None
    except InternalServerException:
        raise RequestError(499, "client_closed_request", "The client went away while it sent.") from None


def too_large() -> RequestError:
    return RequestError(413, "request_too_large", "The request is larger than is allowed here.")


def _status(error: HTTPException | RequestError) -> int:
    return error.status if isinstance(error, RequestError) else error.status_code


async def _read_away(request: AnyRequest) -> None:
    """Take the rest of a body that is refused: a client that is still sending would be reset and miss the answer."""
    size = 0
    while request.is_connected and size < _READ_AWAY_BYTES:  # Litestar's word for: there is more to come
        event = await request.receive()
        if event["type"] != "http.request" or not event["more_body"]:
            return
        size += len(event["body"])
