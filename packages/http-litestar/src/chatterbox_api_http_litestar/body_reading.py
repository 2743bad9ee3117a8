"""Reads request bodies: within their bounds of bytes and time, and to the end even where they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Final, TypeVar

from litestar.exceptions import HTTPException, InternalServerException
from litestar.types import Receive

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.request_body import body_of

__all__ = ["body_chunks", "drain_body", "read_body", "receive_within", "refuse_encoded"]

T = TypeVar("T")

_DRAIN_BYTES: Final = 64 * 2**20
_DRAIN_PAUSE_S: Final = 1.0


async def receive_within(request: AnyRequest, arriving: Awaitable[T], within_s: float) -> T:
    """Await what is read from a body, for at most `within_s`.

    Raises:
        RequestError: 408 when it is late, 499 when the client left; and those of `arriving`.
        ChatterboxError: those of `arriving`.
    """
    try:
        async with asyncio.timeout(within_s):
            return await arriving
    except TimeoutError:
        raise RequestError(408, "request_timeout", f"The request did not arrive within {within_s:g} s.") from None
    except InternalServerException:
        raise RequestError(499, "client_closed_request", "The client disconnected while it sent.") from None
    except (HTTPException, RequestError, ChatterboxError):
        if request.is_connected:  # as Litestar calls it that the body has not ended
            await drain_body(request.receive, within_s=within_s)
        raise


async def body_chunks(request: AnyRequest, *, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body as it arrives; to be closed. Raises RequestError, 413, where it is larger than `max_bytes`."""
    announced_bytes = request.content_length
    if announced_bytes is not None and announced_bytes > max_bytes:
        raise _too_large(max_bytes)
    size = 0
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            yield chunk


async def read_body(request: AnyRequest, *, max_bytes: int) -> bytes:
    """The whole body; the request's own copy is discarded. Raises RequestError, 413, where it is larger."""
    body = body_of(request)
    async with aclosing(body_chunks(request, max_bytes=max_bytes)) as chunks:
        async for chunk in chunks:
            await body.write(chunk)
    data = await body.read()
    body.discard()
    return data


def refuse_encoded(request: AnyRequest) -> None:
    """Raises RequestError for a compressed body: this service decompresses none."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        message = f"'Content-Encoding: {encoding[:40]}' is not read here. Send the body as it is."
        raise RequestError(415, "unsupported_media_type", message)


async def drain_body(receive: Receive, *, within_s: float) -> None:
    """Read and drop the rest of a body that is refused, as long as it keeps coming.

    A client that is still sending would get a reset, and would miss the response.
    """
    size = 0
    try:
        async with asyncio.timeout(within_s):
            while size < _DRAIN_BYTES:
                async with asyncio.timeout(_DRAIN_PAUSE_S):
                    event = await receive()
                if event["type"] != "http.request" or not event["more_body"]:
                    return
                size += len(event["body"])
    except TimeoutError:
        return


def _too_large(limit_bytes: int) -> RequestError:
    message = f"The request is larger than the {limit_bytes:,} bytes that are allowed here."
    return RequestError(413, "request_too_large", message)
