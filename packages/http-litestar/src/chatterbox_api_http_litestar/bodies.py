"""Reading requests: JSON and forms into the Structs that speech and voices take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException, HTTPException, InternalServerException

from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.limits import HttpLimits

__all__ = [
    "Form",
    "SpeechBody",
    "Upload",
    "VoiceBody",
    "VoiceRef",
    "parse_speech",
    "read_form",
    "read_json",
    "read_voice",
]

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


class VoiceBody(msgspec.Struct):
    """What a request about a voice says, in the terms of whichever route it is for.

    Attributes:
        language: UNSET leaves it as it is, None and "" clear it; so does `consent`.
    """

    voice_name: str | None = None
    name: str | None = None
    new_name: str | None = None
    alias: str | None = None
    aliases: list[str] | None = None
    language: str | msgspec.UnsetType | None = msgspec.UNSET
    consent: str | msgspec.UnsetType | None = msgspec.UNSET
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form.

    Attributes:
        filename: what the client calls it; for people, never a path.
    """

    data: bytes = field(repr=False)
    filename: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """What a form says: every text by name, in order, and its files."""

    texts: dict[str, list[str]]
    files: dict[str, Upload]

    def last_texts(self) -> dict[str, str]:
        """One text for each name: of several, the last."""
        return {name: values[-1] for name, values in self.texts.items()}


_CODE_OF_FIELD: Final = {
    "voice": "invalid_voice",
    "speed": "invalid_speed",
    "response_format": "unsupported_format",
    "stream_format": "unsupported_stream_format",
    "seed": "invalid_seed",
}
_FIELD = re.compile(r" - at `\$\.(\w+)[^`]*`$")
_READ_AWAY_BYTES: Final = 64 * 2**20
_MULTIPART: Final = "multipart/form-data"
_FORM_TYPES: Final = (_MULTIPART, "application/x-www-form-urlencoded")


async def read_json(request: AnyRequest, *, limits: HttpLimits) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestError."""
    kind = request.content_type[0]
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError(415, "unsupported_media_type", "Send JSON with 'Content-Type: application/json'.")
    body = await _received(request, request.body(), limits.receive_s)
    if len(body) > limits.body_bytes:  # where a form may come instead, the route's own bound is higher
        raise _too_large()
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RequestError(400, "invalid_json", "The body must be a JSON object.")
    return value


async def read_form(request: AnyRequest, *, files: tuple[str, ...], limits: HttpLimits) -> Form:
    """A form, multipart or urlencoded; a file field that was left empty counts as none. Raises RequestError.

    Args:
        files: the names of the fields that are files.
    """
    if request.content_type[0] not in _FORM_TYPES:
        raise RequestError(415, "unsupported_media_type", "Send a form with 'Content-Type: multipart/form-data'.")
    form = Form({}, {})
    for name, value in await _form_items(request, limits):
        if isinstance(value, UploadFile):
            if name not in files:
                raise RequestError(400, "invalid_multipart", f"'{name[:64]}' must be text, not a file.", name[:64])
            form.files[name] = await _upload(name, value, limits)
        elif name in files:
            if value:
                raise RequestError(400, "invalid_multipart", f"'{name}' must be a file, not text.", name)
        else:
            form.texts.setdefault(name, []).append(value)
    return form


async def read_voice(
    request: AnyRequest, *, limits: HttpLimits, files: tuple[str, ...] = (), forms_only: bool = False
) -> tuple[VoiceBody, dict[str, Upload]]:
    """A request about a voice, a form or JSON, and its files. Raises RequestError."""
    if not forms_only and request.content_type[0] not in _FORM_TYPES:
        return _convert(await read_json(request, limits=limits), VoiceBody, strict=True), {}
    form = await read_form(request, files=files, limits=limits)
    values = {**form.last_texts(), "aliases": form.texts.get("aliases", [])}
    return _convert(values, VoiceBody, strict=True), form.files


def parse_speech(values: Mapping[str, Any], *, from_form: bool) -> SpeechBody:
    """Check types, not meanings. A form's values are all text; its empty ones count as left out."""
    if from_form:
        values = {name: value for name, value in values.items() if value != "" or name == "input"}
    return _convert(values, SpeechBody, strict=not from_form)


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
            f"'{field}' has the wrong type: {detail}." if field else f"{detail}.",
            field,
        ) from None


async def _form_items(request: AnyRequest, limits: HttpLimits) -> list[tuple[str, str | UploadFile]]:
    try:
        if request.content_type[0] == _MULTIPART:
            return list((await _received(request, request.form(), limits.receive_s)).multi_items())
        # Not by Litestar, which keeps the last 1024 urlencoded bodies in memory.
        body = await _received(request, request.body(), limits.receive_s)
        if len(body) > limits.body_bytes or body.count(b"&") >= limits.parts:
            raise _too_large()
        return [*await asyncio.to_thread(parse_qsl, body.decode(), keep_blank_values=True, errors="strict")]
    except (ClientException, LookupError, ValueError) as error:  # LookupError: a charset that does not exist
        raise RequestError(400, "invalid_multipart", "The form is damaged or incomplete.") from error


async def _upload(name: str, file: UploadFile, limits: HttpLimits) -> Upload:
    data = await file.read()
    await file.close()
    if len(data) > limits.file_bytes:
        message = f"'{name}' has {len(data):,} bytes; at most {limits.file_bytes:,} are allowed."
        raise RequestError(413, "request_too_large", message, name)
    return Upload(data, file.filename)


async def _received(request: AnyRequest, arriving: Awaitable[T], within_s: float) -> T:
    try:
        async with asyncio.timeout(within_s):
            try:
                return await arriving
            except HTTPException as error:
                if not _is_too_large(error):
                    raise
                await _read_away(request)
                raise _too_large() from None
    except TimeoutError:
        raise RequestError(408, "request_timeout", f"The request did not arrive within {within_s:g} s.") from None
    except InternalServerException:
        raise RequestError(499, "client_closed_request", "The client went away while it sent.") from None


def _too_large() -> RequestError:
    return RequestError(413, "request_too_large", "The request is larger than is allowed here.")


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
