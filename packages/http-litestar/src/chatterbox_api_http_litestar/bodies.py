"""Reading requests: JSON and forms into the one Struct that speech takes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException, HTTPException, InternalServerException

from chatterbox_api_http_litestar.errors import RequestError

__all__ = ["SpeechBody", "VoiceRef", "parse_speech", "read_form", "read_json"]

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")


class VoiceRef(msgspec.Struct):
    """A voice as OpenAI's custom voices are given: `{"id": "voice_..."}`."""

    id: str


class SpeechBody(msgspec.Struct):
    """What a speech request says, in OpenAI's terms. null counts as left out; unknown fields are ignored."""

    input: str | None = None
    model: str | None = None
    voice: str | VoiceRef | None = None
    response_format: str | None = None
    speed: float | None = None
    stream: bool | None = None
    stream_format: str | None = None
    language: str | None = None
    seed: int | None = None


_CODE_OF_FIELD: Final = {
    "voice": "invalid_voice",
    "speed": "invalid_speed",
    "response_format": "unsupported_format",
    "stream_format": "unsupported_stream_format",
    "seed": "invalid_seed",
}
_FIELD = re.compile(r" - at `\$\.(\w+)[^`]*`$")
_READ_AWAY_BYTES: Final = 64 * 2**20
_FORM_TYPES: Final = ("multipart/form-data", "application/x-www-form-urlencoded")


async def read_json(request: AnyRequest, *, within_s: float) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestError."""
    kind = request.content_type[0]
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError(415, "unsupported_media_type", "Send JSON with 'Content-Type: application/json'.")
    body = await _received(request, request.body(), within_s)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RequestError(400, "invalid_json", "The body must be a JSON object.")
    return value


async def read_form(
    request: AnyRequest, *, files: tuple[str, ...], within_s: float
) -> tuple[dict[str, str], dict[str, bytes]]:
    """A form's texts and files, an empty file counting as none. Raises RequestError.

    Args:
        files: the names of the fields that are files.
    """
    if request.content_type[0] not in _FORM_TYPES:
        raise RequestError(415, "unsupported_media_type", "Send a form with 'Content-Type: multipart/form-data'.")
    try:
        form = await _received(request, request.form(), within_s)
    except (ClientException, LookupError, ValueError) as error:  # LookupError: a charset that does not exist
        raise RequestError(400, "invalid_multipart", "The form is damaged or incomplete.") from error
    texts: dict[str, str] = {}
    uploads: dict[str, bytes] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name not in files:
                raise RequestError(400, "invalid_multipart", f"'{name[:64]}' must be text, not a file.", name[:64])
            uploads[name] = await value.read()
        elif name in files:
            if value:
                raise RequestError(400, "invalid_multipart", f"'{name}' must be a file, not text.", name)
        else:
            texts[name] = value
    return texts, uploads


def parse_speech(values: Mapping[str, Any], *, from_form: bool) -> SpeechBody:
    """Check types, not meanings. A form's values are all text; its empty ones count as left out."""
    if from_form:
        values = {name: value for name, value in values.items() if value != "" or name == "input"}
    try:
        return msgspec.convert(values, SpeechBody, strict=not from_form)
    except msgspec.ValidationError as error:
        match = _FIELD.search(str(error))
        field = match.group(1) if match else None
        detail = str(error)[: match.start()] if match else str(error)
        raise RequestError(
            400,
            _CODE_OF_FIELD.get(field or "", "invalid_type"),
            f"'{field}' has the wrong type: {detail}." if field else f"{detail}.",
            field,
        ) from None


async def _received(request: AnyRequest, arriving: Awaitable[T], within_s: float) -> T:
    try:
        async with asyncio.timeout(within_s):
            try:
                return await arriving
            except HTTPException as error:
                if not _is_too_large(error):
                    raise
                await _read_away(request)
                raise RequestError(413, "request_too_large", "The request is larger than is allowed here.") from None
    except TimeoutError:
        raise RequestError(408, "request_timeout", f"The request did not arrive within {within_s:g} s.") from None
    except InternalServerException:
        raise RequestError(499, "client_closed_request", "The client went away while it sent.") from None


def _is_too_large(error: HTTPException) -> bool:
    """Litestar 2 answers too many parts of a form with a 400 that has the words of a 413."""
    return error.status_code == 413 or error.detail == "Request Entity Too Large"


async def _read_away(request: AnyRequest) -> None:
    """Take the rest of a body that is refused: a client that is still sending would be reset and miss the answer."""
    size = 0
    while size < _READ_AWAY_BYTES:
        event = await request.receive()
        if event["type"] != "http.request" or not event["more_body"]:
            return
        size += len(event["body"])
