"""Voices as the wire shows them, and what the voice routes have in common: lists, pages, the words of a request."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

from litestar import Request

from chatterbox_api_core.errors import ChatterboxError, InvalidInput
from chatterbox_api_core.formats import CLIP_EXTENSIONS
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.names import is_voice_id
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.forms import Upload

__all__ = [
    "attachment",
    "default_voice_view",
    "errors_about",
    "listed",
    "openai_voice_view",
    "page_asked",
    "required_file",
    "required_text",
    "voice_view",
]

_DIGITS = re.compile(r"[0-9]{1,9}")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 ._-]")


def voice_view(voice: Voice) -> dict[str, Any]:
    """Everything about a voice but where it lies: no path of the server is ever shown."""
    extension = CLIP_EXTENSIONS.get(voice.media_type, "")
    return {
        "id": voice.id,
        "name": voice.name,
        "aliases": voice.aliases,
        "language": voice.language,
        "duration_s": voice.duration_s,
        "media_type": voice.media_type,
        "filename": f"{voice.name}{extension}",
        "original_filename": _original_filename(voice),
        "file_extension": extension,
        "file_size": voice.size_bytes,
        "file_hash": voice.sha256,
        "path": None,
        "upload_date": voice.created_at.isoformat(),
        "updated_at": voice.updated_at.isoformat(),
        "revision": voice.revision,
        "consent": voice.consent,
    }


def openai_voice_view(voice: Voice) -> dict[str, Any]:
    """A custom voice as OpenAI's API has it. No consent: clients list these without a key."""
    return {
        "id": voice.id,
        "created_at": int(voice.created_at.timestamp()),
        "name": voice.name,
        "object": "audio.voice",
        "type": "audio_sample",
    }


def default_voice_view(default: Voice | None) -> dict[str, Any]:
    """The default voice as one of OpenAI's custom voices, for clients that offer what is listed.

    Its id is understood wherever a voice is named, and it speaks where the library has no default voice too.
    """
    created_at = 0 if default is None else int(default.created_at.timestamp())
    return {
        "id": "default",
        "created_at": created_at,
        "name": "Default",
        "object": "audio.voice",
        "type": "audio_sample",
    }


def attachment(voice: Voice) -> str:
    """The Content-Disposition of a voice's clip, its original file name as RFC 6266 and RFC 5987 write it."""
    filename = _original_filename(voice)
    return f"attachment; filename=\"{_UNSAFE.sub('_', filename)}\"; filename*=UTF-8''{quote(filename, safe='')}"


def page_asked(request: Request[Any, Any, Any]) -> tuple[str | None, int | None]:
    """`after` and `limit` of the address. InvalidInput."""
    limit, after = request.query_params.get("limit"), request.query_params.get("after") or None
    if limit and not _DIGITS.fullmatch(limit):
        raise InvalidInput("'limit' must be a whole number.", code="invalid_limit", field="limit")
    return after, int(limit) if limit else None


async def listed(voices: VoiceLibrary, *, after: str | None, limit: int | None) -> list[Voice]:
    """At most `limit` voices behind the voice `after`; all without them; in order of creation."""
    if after is not None and not is_voice_id(after):
        with errors_about(voice="after"):
            after = (await voices.get(after)).id
    if limit is not None:
        return list(await voices.page(after=after, limit=limit))
    return [voice async for voice in voices.all() if after is None or voice.id > after]


@contextmanager
def errors_about(**fields: str) -> Generator[None, None, None]:
    """Let an error name a field as the request calls it: core's word on the left, the request's on the right."""
    try:
        yield
    except ChatterboxError as error:
        error.field = fields.get(error.field or "", error.field)
        raise


def required_text(value: str | None, *, field: str, code: str) -> str:
    """The value, or the error that says that it is missing. What it means is core's to judge."""
    if value is None:
        raise InvalidInput(f"'{field}' is missing.", code=code, field=field)
    return value


def required_file(files: dict[str, Upload], *, field: str) -> Upload:
    """The file, or the error that says that it is missing."""
    if field not in files:
        raise RequestError(400, "invalid_multipart", f"'{field}' is missing: send a recording there as a file.", field)
    return files[field]


def _original_filename(voice: Voice) -> str:
    return voice.filename or f"{voice.name}{CLIP_EXTENSIONS.get(voice.media_type, '')}"
