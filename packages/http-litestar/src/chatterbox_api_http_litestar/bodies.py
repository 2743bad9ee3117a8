"""Requests as Structs: what speech and voices take, from JSON and from forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.forms import FORM_TYPES, Upload, read_form
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.receiving import AnyRequest, received, too_large

__all__ = [
    "SpeechBody",
    "VoiceBody",
    "VoiceRef",
    "parse_speech",
    "read_json",
    "read_voice",
]

T = TypeVar("T")


class VoiceRef(msgspec.Struct):
    """A voice as OpenAI's custom voices are given: `{"id": "voice_..."}`."""

    id: str


class SpeechBody(msgspec.Struct):
    """What a speech request says, in OpenAI's terms and, from `language` on, in ours.

    null counts as left out; unknown fields are ignored.
    """

    input: str | None = None
    model: str | None = None
    voice: str | VoiceRef | None = None
    response_format: str | None = None
    speed: float | None = None
    stream: bool | None = None
    stream_format: str | None = None
    language: str | None = None
    text_format: str | None = None
    seed: int | None = None
    sample_rate: int | None = None
    loudness: float | None = None
    trim: bool | None = None
    sentence_pause_ms: float | None = None
    paragraph_pause_ms: float | None = None


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
_FIELD = re.compile(r" - at `\$\.(\w+)[^`]*`$")
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


async def read_json(request: AnyRequest, *, limits: HttpLimits) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestError."""
    kind = request.content_type[0]
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError(415, "unsupported_media_type", "Send JSON with 'Content-Type: application/json'.")
    body = await received(request, request.body(), limits.receive_s)
    if len(body) > limits.body_bytes:  # where a form may come instead, the route's own bound is higher
        raise too_large()
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RequestError(400, "invalid_json", "The body must be a JSON object.")
    return value


async def read_voice(
    request: AnyRequest, *, limits: HttpLimits, files: tuple[str, ...] = (), forms_only: bool = False
) -> tuple[VoiceBody, dict[str, Upload]]:
    """A request about a voice, a form or JSON, and its files. Raises RequestError."""
    if not forms_only and request.content_type[0] not in FORM_TYPES:
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
            f"'{field}' must be {_EXPECTED.get(field, 'text')}." if field else f"{detail}.",
            field,
        ) from None
