"""Makes the Structs of `schemas` of requests, JSON or forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from chatterbox_api_http_litestar.body_reading import read_body, receive_within, refuse_encoded
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.forms import FORM_TYPES, Upload, read_form
from chatterbox_api_http_litestar.json_body import decode_json
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.schemas import SpeechBody, VoiceBody

__all__ = ["page_of", "parse_speech", "read_json", "read_voice", "required_file", "required_text"]

T = TypeVar("T")

_CODE_OF_FIELD: Final = {
    "voice": "invalid_voice",
    "speed": "invalid_speed",
    "response_format": "unsupported_format",
    "stream_format": "unsupported_stream_format",
    "text_format": "unsupported_text_format",
    "seed": "invalid_seed",
    "sample_rate": "invalid_sample_rate",
    "loudness": "invalid_loudness",
    "sentence_pause_ms": "invalid_pause",
    "paragraph_pause_ms": "invalid_pause",
}
_EXPECTED: Final = {
    "speed": "a number",
    "seed": "a whole number",
    "stream": "true or false",
    "aliases": "a list",
    "sample_rate": "a whole number",
    "loudness": "a number",
    "trim": "true or false",
    "sentence_pause_ms": "a number",
    "paragraph_pause_ms": "a number",
}
_FIELD: Final = re.compile(r" - at `\$\.(\w+)[^`]*`$")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")


async def read_json(request: AnyRequest, *, limits: HttpLimits) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestError."""
    kind = request.content_type[0]
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError(415, "unsupported_media_type", "Send JSON with 'Content-Type: application/json'.")
    refuse_encoded(request)
    body = await receive_within(request, read_body(request, max_bytes=limits.body_bytes), limits.receive_s)
    try:
        value = decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RequestError(400, "invalid_json", "The body must be a JSON object.")
    return value


async def read_voice(
    request: AnyRequest, *, limits: HttpLimits, files: tuple[str, ...] = (), forms_only: bool = False
) -> tuple[VoiceBody, dict[str, Upload]]:
    """A request about a voice, a form or JSON, and its files by their fields. Raises RequestError.

    Args:
        files: the fields of a form that are files.
        forms_only: whether JSON is refused.
    """
    if not forms_only and request.content_type[0] not in FORM_TYPES:
        return _convert(await read_json(request, limits=limits), VoiceBody, strict=True), {}
    form = await read_form(request, files=files, texts=VoiceBody.__struct_fields__, limits=limits)
    values = {**form.last_texts(), "aliases": form.texts.get("aliases", [])}
    return _convert(values, VoiceBody, strict=True), form.files


def parse_speech(values: Mapping[str, Any], *, from_form: bool) -> SpeechBody:
    """Check types; core checks values. All values of a form are text, and its empty ones count as left out.

    Raises:
        RequestError: a field has the wrong type.
    """
    if from_form:
        values = {name: value for name, value in values.items() if value != "" or name == "input"}
    return _convert(values, SpeechBody, strict=not from_form)


def page_of(request: AnyRequest) -> tuple[str | None, int | None]:
    """`after` and `limit` of the address, None where they are left out. Raises RequestError."""
    limit, after = request.query_params.get("limit"), request.query_params.get("after") or None
    if limit and not _DIGITS.fullmatch(limit):
        raise RequestError(400, "invalid_limit", "'limit' must be a whole number.", "limit")
    return after, int(limit) if limit else None


def required_text(value: str | None, *, field: str, code: str) -> str:
    """The value of a field. Raises RequestError where it is missing; core checks what it says."""
    if value is None:
        raise RequestError(400, code, f"'{field}' is missing.", field)
    return value


def required_file(files: Mapping[str, Upload], *, field: str) -> Upload:
    """The file of a field. Raises RequestError where it is missing."""
    if field not in files:
        raise RequestError(400, "invalid_multipart", f"'{field}' is missing: send a recording there as a file.", field)
    return files[field]


def _convert(values: Mapping[str, Any], kind: type[T], *, strict: bool) -> T:
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        match = _FIELD.search(str(error))
        field = match.group(1) if match else None
        detail = str(error)[: match.start()] if match else str(error)
        raise RequestError(
            400,
            _CODE_OF_FIELD.get(field or "", "invalid_type"),
            f"'{field}' must be {_EXPECTED.get(field, 'text')}." if field else f"{detail}.",
            field,
        ) from None
