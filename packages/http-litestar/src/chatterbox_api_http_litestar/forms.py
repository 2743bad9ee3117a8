"""Reading forms: multipart and urlencoded, within bounds.

Not by Litestar. It decodes a text part on the event loop in whichever charset the client names, and some of Python's
charsets take minutes for a megabyte; and it keeps the last 1,024 urlencoded bodies in memory.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.receiving import AnyRequest, received, too_large

__all__ = ["FORM_TYPES", "Form", "Upload", "read_form"]

_MULTIPART: Final = "multipart/form-data"
FORM_TYPES: Final = (_MULTIPART, "application/x-www-form-urlencoded")
_CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii", "ascii")


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

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def last_texts(self) -> dict[str, str]:
        """One text for each name: of several, the last."""
        return {name: values[-1] for name, values in self.texts.items()}


async def read_form(request: AnyRequest, *, files: tuple[str, ...], limits: HttpLimits) -> Form:
    """A form; a file field that was left empty counts as none. Raises RequestError.

    Args:
        files: the names of the fields that are files.
    """
    kind = request.content_type[0]
    if kind not in FORM_TYPES:
        raise RequestError(415, "unsupported_media_type", "Send a form with 'Content-Type: multipart/form-data'.")
    reading = _multipart(request, files, limits) if kind == _MULTIPART else _urlencoded(request, files, limits)
    try:
        return await received(request, reading, limits.receive_s)
    except ParserLimitReached:
        raise too_large() from None
    except (MultipartError, ValueError) as error:
        raise RequestError(400, "invalid_multipart", "The form is damaged or incomplete.") from error


async def _multipart(request: AnyRequest, files: tuple[str, ...], limits: HttpLimits) -> Form:
    form = Form()
    text_bytes = 0
    segment: MultipartSegment | None = None
    data = bytearray()
    with PushMultipartParser(request.content_type[1].get("boundary", ""), max_header_size=8192) as parser:
        parts = 0
        async for chunk in request.stream():
            for event in parser.parse(chunk) if chunk else ():
                if isinstance(event, MultipartSegment):
                    segment, data = event, bytearray()
                    parts += 1
                    if parts > limits.parts:
                        raise too_large()
                elif segment is None:
                    raise ValueError("data outside a part")
                elif event:
                    data += event
                    if segment.filename is None:
                        text_bytes += len(event)
                    _check_size(segment, len(data), text_bytes, limits)
                else:
                    _take(form, segment, data, files)
                    segment = None
    return form


def _check_size(segment: MultipartSegment, size: int, text_bytes: int, limits: HttpLimits) -> None:
    if text_bytes > limits.body_bytes:
        raise too_large()
    if segment.filename is not None and size > limits.file_bytes:
        name = (segment.name or "")[:64]
        message = f"'{name}' has more than {limits.file_bytes:,} bytes."
        raise RequestError(413, "request_too_large", message, name)


def _take(form: Form, segment: MultipartSegment, data: bytearray, files: tuple[str, ...]) -> None:
    name = segment.name or ""
    if segment.filename:
        if name not in files:
            raise RequestError(400, "invalid_multipart", f"'{name[:64]}' must be text, not a file.", name[:64])
        form.files[name] = Upload(bytes(data), segment.filename)
        return
    if (segment.charset or "").lower() not in _CHARSETS:
        raise RequestError(400, "invalid_multipart", f"'{name[:64]}' must be UTF-8.", name[:64])
    _add_text(form, name, data.decode("utf-8"), files)


async def _urlencoded(request: AnyRequest, files: tuple[str, ...], limits: HttpLimits) -> Form:
    body = await request.body()
    if len(body) > limits.body_bytes or body.count(b"&") >= limits.parts:
        raise too_large()
    form = Form()
    for name, value in await asyncio.to_thread(parse_qsl, body.decode(), keep_blank_values=True, errors="strict"):
        _add_text(form, name, value, files)
    return form


def _add_text(form: Form, name: str, value: str, files: tuple[str, ...]) -> None:
    if name not in files:
        form.texts.setdefault(name, []).append(value)
    elif value:
        raise RequestError(400, "invalid_multipart", f"'{name}' must be a file, not text.", name)
