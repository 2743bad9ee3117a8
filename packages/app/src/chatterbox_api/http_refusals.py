"""Responses to what is no valid request of HTTP, in the shape of all errors."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import h11

__all__ = ["refusal"]

_REFUSALS: Final = {
    400: ("invalid_http", "This is not a valid request of HTTP/1.1, or its framing is damaged."),
    408: ("request_timeout", "The headers of the request did not arrive in time."),
    431: ("headers_too_large", "The headers of the request are too large."),
}


def refusal(status: int, default_headers: Sequence[tuple[bytes, bytes]]) -> tuple[h11.Response, bytes]:
    """The response and its body; the connection closes with it.

    Args:
        status: 400, 408 or 431; the error of 400 for any other.
        default_headers: of every response, such as the date.
    """
    code, message = _REFUSALS.get(status, _REFUSALS[400])
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-request-id", f"req_{secrets.token_hex(12)}".encode()),
        (b"x-should-retry", b"false"),
        *default_headers,
    ]
    return h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode()), body
