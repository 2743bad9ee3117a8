"""How errors look on the wire: OpenAI's shape, a status for each error of core, and the wire's names of fields.

    {"error": {"message", "type", "param", "code"}} and the headers x-request-id, retry-after, x-should-retry

OpenAI's client repeats a request after 408, 409, 429 and every status from 500 unless `x-should-retry` is false. So the
header is sent wherever a repetition cannot help.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap, Scope

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
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.schemas import ErrorBody, ErrorDetails

__all__ = [
    "EXCEPTION_HANDLERS",
    "HTTP_ERROR_CODES",
    "STATUS_OF",
    "WIRE_FIELDS",
    "RequestError",
    "error_body",
    "wire_field",
]

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class RequestError(Exception):
    """A request that is wrong on the wire, before core sees it.

    Attributes:
        status: of HTTP.
        code: a stable word for programs.
        param: the field that is wrong, by its name on the wire; None where no field is.
    """

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
"""The status of each error of core. A class stands for its subclasses that are not listed themselves."""

_NOT_REPEATABLE: Final = ("engine_died", "engine_hung", "out_of_memory")
"""Failures that the same request would cause again, at the engine's expense; clients repeat by themselves."""

_SPEECH: Final = {
    "text": "input",
    "clip": "voice_file",
    "audio_format": "response_format",
    "streaming": "stream",
    "tempo": "speed",
    "sample_rate_hz": "sample_rate",
    "loudness_lufs": "loudness",
    "sentence_s": "sentence_pause_ms",
    "sentence_pause_s": "sentence_pause_ms",
    "paragraph_s": "paragraph_pause_ms",
    "paragraph_pause_s": "paragraph_pause_ms",
}
_VOICES: Final = {"voice": "after"}
"""A list is read from behind a voice, which is the one voice that such a request names."""

WIRE_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "create_speech": _SPEECH,
    "create_speech_from_upload": _SPEECH,
    "list_voices": _VOICES,
    "create_voice": {"name": "voice_name", "alias": "aliases", "clip": "voice_file"},
    "change_voice": {"name": "new_name", "clip": "voice_file"},
    "add_alias": {"name": "alias"},
    "set_default_voice": {"voice": "voice_name"},
    "list_custom_voices": _VOICES,
    "create_custom_voice": {"clip": "audio_sample", "voice_file": "audio_sample"},
    "check_watermark": {"clip": "file", "voice_file": "file"},
}
"""What core calls a field, and what the wire calls it, for each handler by its name. Other fields are called alike."""

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

_LITESTAR_CODES: Final = {
    400: ("invalid_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("request_too_large", "The request is larger than is allowed here."),
    415: ("unsupported_media_type", "This content type is not accepted here."),
}


def wire_field(handler: str, field: str | None) -> str | None:
    """The wire's name of one of core's fields.

    Requests are flat on the wire, so of a field within another (`options.trim`) the last name counts.

    Args:
        handler: the name of the handler whose request failed.
        field: as core's error names it; None where it names none.
    """
    if field is None:
        return None
    name = field.rpartition(".")[2]
    return WIRE_FIELDS.get(handler, {}).get(name, name)


def error_body(status: int, *, message: str, code: str, param: str | None) -> ErrorBody:
    """An error as OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    return ErrorBody(ErrorDetails(message=message, type=kind, param=param, code=code))


def _on_core_error(request: AnyRequest, error: ChatterboxError) -> Response[ErrorBody]:
    status, may_repeat = next(STATUS_OF[cls] for cls in type(error).__mro__ if cls in STATUS_OF)
    if isinstance(error, SynthesisFailed) and error.code in _NOT_REPEATABLE:
        may_repeat = False
    headers = {} if may_repeat else {"x-should-retry": "false"}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
    if status >= 500 and error.code != "draining":
        _log.error("%s %s: %s", request_id(request.scope), error.code, error, exc_info=error.__cause__)
    param = wire_field(_handler_name(request.scope), error.field)
    return _error_response(status, message=str(error), code=error.code, param=param, headers=headers)


def _on_request_error(_: AnyRequest, error: RequestError) -> Response[ErrorBody]:
    headers = {"x-should-retry": "false"}
    return _error_response(error.status, message=error.message, code=error.code, param=error.param, headers=headers)


def _on_litestar_error(_: AnyRequest, error: HTTPException) -> Response[ErrorBody]:
    code, message = _LITESTAR_CODES.get(error.status_code, ("request_failed", "The request failed."))
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return _error_response(error.status_code, message=message, code=code, param=None, headers=headers)


def _on_unexpected_error(request: AnyRequest, error: Exception) -> Response[ErrorBody]:
    _log.error("%s failed unexpectedly", request_id(request.scope), exc_info=error)
    message = "The server failed unexpectedly; its log says why."
    return _error_response(500, message=message, code="internal_error", param=None)


def _handler_name(scope: Scope) -> str:
    """The name of the handler of a request; empty where none was found for its address."""
    handler: Any = scope.get("route_handler")
    return str(handler.fn.__name__) if handler else ""


def _error_response(
    status: int, *, message: str, code: str, param: str | None, headers: dict[str, str] | None = None
) -> Response[ErrorBody]:
    body = error_body(status, message=message, code=code, param=param)
    return Response(body, status_code=status, headers=headers or {}, media_type="application/json")


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    ChatterboxError: _on_core_error,
    RequestError: _on_request_error,
    HTTPException: _on_litestar_error,
    Exception: _on_unexpected_error,
}
"""Litestar's map from exceptions to responses."""
