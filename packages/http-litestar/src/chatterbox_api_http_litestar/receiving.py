"""Taking bodies in: within their time, and to the end even where they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any, Final, TypeAlias, TypeVar

from litestar import Request
from litestar.exceptions import HTTPException, InternalServerException
from litestar.types import Receive

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.request_body import body_of

__all__ = ["AnyRequest", "read_away", "read_body", "received", "refuse_encoded", "too_large"]

AnyRequest: TypeAlias = Request[Any, Any, Any]
T = TypeVar("T")

_READ_AWAY_BYTES: Final = 64 * 2**20
_READ_AWAY_PAUSE_S: Final = 1.0


async def received(request: AnyRequest, arriving: Awaitable[T], within_s: float) -> T:
    """What arrives, or why it does not.

    Raises:
        RequestError: 408 when it is late, 413 when it is too large, 499 when the client left; and those of `arriving`.
    """
    try:
        async with asyncio.timeout(within_s):
            return await arriving
    except TimeoutError:
        raise RequestError(408, "request_timeout", f"The request did not arrive within {within_s:g} s.") from None
    except InternalServerException:
        raise RequestError(499, "client_closed_request", "The client went away while it sent.") from None
    except HTTPException as error:
        await _read_away(request, within_s)
        if error.status_code != 413:
            raise
        raise too_large(request.route_handler.resolve_request_max_body_size() or 0) from None
    except (RequestError, ChatterboxError):
        await _read_away(request, within_s)
        raise


async def read_body(request: AnyRequest, *, max_bytes: int) -> bytes:
    """The whole body, which then lies nowhere else any more. Raises RequestError where it is larger."""
    body = body_of(request)
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            if body.size + len(chunk) > max_bytes:
                raise too_large(max_bytes)
            await body.write(chunk)
    data = await body.read()
    body.discard()
    return data


def refuse_encoded(request: AnyRequest) -> None:
    """RequestError for a body that is compressed: nothing unpacks it here."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        message = f"'Content-Encoding: {encoding[:40]}' is not read here. Send the body as it is."
        raise RequestError(415, "unsupported_media_type", message)


def too_large(limit_bytes: int) -> RequestError:
    message = f"The request is larger than the {limit_bytes:,} bytes that are allowed here."
    return RequestError(413, "request_too_large", message)


async def read_away(receive: Receive, *, within_s: float) -> None:
    """Take the rest of a body that is refused, as long as it keeps coming.

    A client that is still sending would be reset and miss the answer.
    """
    size = 0
    try:
        async with asyncio.timeout(within_s):
            while size < _READ_AWAY_BYTES:
                async with asyncio.timeout(_READ_AWAY_PAUSE_S):
                    event = await receive()
                if event["type"] != "http.request" or not event["more_body"]:
                    return
                size += len(event["body"])
    except TimeoutError:
        return


async def _read_away(request: AnyRequest, within_s: float) -> None:
    if request.is_connected:  # Litestar's word for: there is more to come
        await read_away(request.receive, within_s=within_s)
