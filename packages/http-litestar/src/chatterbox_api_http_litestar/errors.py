"""How errors look on the wire: OpenAI's shape, from one table.

    {"error": {"message", "type", "param", "code"}} and the headers x-request-id, retry-after, x-should-retry

OpenAI's client repeats a request after 408, 409, 429 and every status from 500 unless `x-should-retry` is false.
It says so wherever a repetition cannot help.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from chatterbox_api_core.errors import (
    ChatterboxError,
    DeadlineExceeded,
    EncodingFailed,
    InvalidInput,
    NameTaken,
    NotFound,
    Overloaded,
    StorageFailed,
    SynthesisFailed,
    Unavailable,
)
from chatterbox_api_http_litestar.headers import request_id

__all__ = ["EXCEPTION_HANDLERS", "HTTP_ERROR_CODES", "STATUS_OF", "RequestError", "error_body"]

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class RequestError(Exception):
    """A request that is wrong as HTTP, before it means anything to core."""

    status: int
    code: str
    message: str
    param: str | None = None


STATUS_OF: Final[dict[type[ChatterboxError], tuple[int, bool]]] = {
    # error: (status, whether repeating the same request can help)
    InvalidInput: (400, False),
    NotFound: (404, False),
    NameTaken: (409, False),
    Overloaded: (429, True),
    StorageFailed: (500, False),
    DeadlineExceeded: (504, True),
    Unavailable: (503, True),
    SynthesisFailed: (500, True),
    EncodingFailed: (500, False),
    ChatterboxError: (500, False),
}
"""A class stands for its subclasses that are not listed themselves."""
_COSTLY: Final = ("engine_died", "engine_hung", "out_of_memory")
"""What a request did to the engine it would do again, and clients repeat by themselves."""

HTTP_ERROR_CODES: Final = {
    "client_closed_request": "The client closed the connection before its request was complete.",
    "draining": "The server is about to stop and takes no new connections.",
    "foreign_host": "The request names a host that this service is not known by.",
    "foreign_origin": "The request comes from a web page that may not use this service.",
    "headers_too_large": "The headers of the request are too large.",
    "internal_error": "An unexpected error was logged.",
    "invalid_http": "The request is not valid HTTP/1.1.",
    "invalid_json": "The body is not a JSON object.",
    "invalid_multipart": "The form is damaged, or a field of it is missing or of the wrong kind.",
    "invalid_preflight": "The headers of a preflight request are malformed.",
    "invalid_request": "The request cannot be understood.",
    "invalid_type": "A field of the body has the wrong type.",
    "method_not_allowed": "The path does not support this method.",
    "model_not_found": "There is no model of this name.",
    "not_found": "There is nothing at this path.",
    "not_ready": "A component did not answer the readiness check in time.",
    "request_failed": "The framework refused the request with a status that has no code of its own.",
    "request_timeout": "The request did not arrive in time.",
    "request_too_large": "The request or a part of it is larger than allowed.",
    "unsupported_media_type": "The content type or encoding of the body is not supported.",
    "unsupported_stream_format": "The response cannot be streamed in this form.",
    "unsupported_voice_type": "This kind of voice cannot be created.",
    "watermark_unsupported": "No watermark detector is set up.",
}
"""When each code is used that only exists on the wire; core's are in `chatterbox_api_core.errors.ERROR_CODES`."""

WIRE_FIELDS: Final = {
    # core's attribute: the field of a request
    "audio_format": "response_format",
    "clip": "voice_file",
    "loudness_lufs": "loudness",
    "paragraph_pause_s": "paragraph_pause_ms",
    "sample_rate_hz": "sample_rate",
    "sentence_pause_s": "sentence_pause_ms",
    "tempo": "speed",
    "text": "input",
}

_LITESTAR_CODES: Final = {
    400: ("invalid_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("request_too_large", "The request is larger than is allowed here."),
    415: ("unsupported_media_type", "This content type is not accepted here."),
}


def _on_core_error(request: Request[Any, Any, Any], error: ChatterboxError) -> Response[Any]:
    status, may_repeat = next(STATUS_OF[cls] for cls in type(error).__mro__ if cls in STATUS_OF)
    if isinstance(error, SynthesisFailed) and error.code in _COSTLY:
        may_repeat = False
    headers = {} if may_repeat else {"x-should-retry": "false"}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
    if status >= 500 and error.code != "draining":
        _log.error("%s %s: %s", request_id(request.scope), error.code, error, exc_info=error.__cause__)
    param = None if error.field is None else WIRE_FIELDS.get(error.field, error.field)
    return _answer(status, message=str(error), code=error.code, param=param, headers=headers)


def _on_request_error(request: Request[Any, Any, Any], error: RequestError) -> Response[Any]:
    return _answer(
        error.status,
        message=error.message,
        code=error.code,
        param=error.param,
        headers={"x-should-retry": "false"},
    )


def _on_litestar_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    code, message = _LITESTAR_CODES.get(error.status_code, ("request_failed", "The request failed."))
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return _answer(error.status_code, message=message, code=code, param=None, headers=headers)


def _on_anything_else(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    _log.error("%s failed unexpectedly", request_id(request.scope), exc_info=error)
    return _answer(500, message="Something went wrong here; it has been logged.", code="internal_error", param=None)


def _answer(
    status: int, *, message: str, code: str, param: str | None, headers: dict[str, str] | None = None
) -> Response[Any]:
    body = error_body(status, message=message, code=code, param=param)
    return Response(body, status_code=status, headers=headers or {}, media_type="application/json")


def error_body(status: int, *, message: str, code: str, param: str | None) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    ChatterboxError: _on_core_error,
    RequestError: _on_request_error,
    HTTPException: _on_litestar_error,
    Exception: _on_anything_else,
}
