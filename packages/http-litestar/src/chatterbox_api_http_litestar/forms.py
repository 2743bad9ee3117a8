"""Reads forms, multipart and urlencoded, within bounds.

Litestar's own parser is not used. It decodes a text part on the event loop in whichever charset the client names, and
some of Python's charsets take minutes for a megabyte; it keeps the last 1,024 urlencoded bodies in memory; and it reads
file names in neither the older nor the newer notation. This module reads forms as browsers, curl and HTTP libraries
write them, and says of any other form which part is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from chatterbox_api_http_litestar.body_reading import body_chunks, read_body, receive_within, refuse_encoded
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.form_parts import FormFields, Part, PartReader
from chatterbox_api_http_litestar.header_parameters import codec_of, header_parameters, readable_text
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.request_body import RequestBody, body_of

__all__ = ["FORM_TYPES", "Form", "Upload", "read_form"]

_MULTIPART: Final = "multipart/form-data"
FORM_TYPES: Final = (_MULTIPART, "application/x-www-form-urlencoded")
_PART_HEADER_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form; its bytes are a range of the request's body.

    Attributes:
        filename: the client's name for it; for people, never a path.
    """

    filename: str
    _body: RequestBody = field(repr=False)
    _range: tuple[int, int] = field(repr=False)

    async def take(self) -> bytes:
        """The file's bytes, once there is room for them. The form's other files are discarded.

        Raises:
            Overloaded: other requests use all the room, and none is freed in time.
            RequestError: 499, the client disconnects meanwhile.
            Unavailable: the temporary file cannot be read.
        """
        return await self._body.take(*self._range)


@dataclass(frozen=True, slots=True)
class Form:
    """The texts of a form by name, in their order, and its files by name."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def last_texts(self) -> dict[str, str]:
        """One text for each name: of several, the last."""
        return {name: values[-1] for name, values in self.texts.items()}


async def read_form(
    request: AnyRequest, *, files: tuple[str, ...], texts: Collection[str] = (), limits: HttpLimits
) -> Form:
    """Read a form. A file field that was left empty counts as left out.

    Args:
        files: the names of the fields that are files; with any, the whole form is bounded by `upload_bytes`.
        texts: the names of the fields that are texts, for error messages; other texts are read too.

    Raises:
        RequestError: the form is wrong, too large or too slow.
        Overloaded: the bodies of all requests have no room for it.
        Unavailable: a temporary file cannot be written.
    """
    refuse_encoded(request)
    kind = request.content_type[0]
    if kind not in FORM_TYPES:
        raise RequestError(415, "unsupported_media_type", "Send a form with 'Content-Type: multipart/form-data'.")
    fields = FormFields(files, frozenset(texts))
    reading = _multipart(request, fields, limits) if kind == _MULTIPART else _urlencoded(request, fields, limits)
    return await receive_within(request, reading, limits.receive_s)


async def _multipart(request: AnyRequest, fields: FormFields, limits: HttpLimits) -> Form:
    parts = PartReader(fields, limits, body_of(request))
    try:
        max_bytes = limits.upload_bytes if fields.files else limits.body_bytes
        async with aclosing(body_chunks(request, max_bytes=max_bytes)) as chunks:
            with _parser(request) as parser:
                async for chunk in chunks:
                    for event in parser.parse(chunk) if chunk else ():
                        if isinstance(event, MultipartSegment):
                            parts.begin(event.headerlist)
                        elif event:
                            await parts.add(event)
                        else:
                            await parts.end()
    except ParserLimitReached:
        raise parts.header_too_large(_PART_HEADER_BYTES) from None
    except MultipartError as error:
        raise parts.damaged(error) from None
    return await _form_of(parts.done, body_of(request))


async def _form_of(parts: list[Part], body: RequestBody) -> Form:
    codec, form = await _form_codec(parts, body), Form()
    for part in parts:
        if part.is_file:
            form.files[part.name] = Upload(part.filename(codec), body, (part.start, part.stop))
        else:
            text = part.text(await body.read(part.start, part.stop), codec)
            form.texts.setdefault(part.name, []).append(text)
    if not form.files:
        body.discard()
    return form


def _parser(request: AnyRequest) -> PushMultipartParser:
    boundary = header_parameters(request.headers.get("content-type", "")).get("boundary", "")
    if not boundary:
        raise _invalid("'Content-Type' names no boundary. Let the HTTP library write this header.")
    return PushMultipartParser(boundary.encode("latin-1"), max_header_size=_PART_HEADER_BYTES, header_charset="latin-1")


async def _form_codec(parts: list[Part], body: RequestBody) -> str | None:
    """The codec of texts that name no charset, from `_charset_`, HTML's field for it."""
    for part in parts:
        if part.name == "_charset_" and not part.is_file:
            charset = (await body.read(part.start, min(part.stop, part.start + 100))).decode("latin-1").strip()
            return _named_codec(charset) if charset else None
    return None


async def _urlencoded(request: AnyRequest, fields: FormFields, limits: HttpLimits) -> Form:
    data = await read_body(request, max_bytes=limits.body_bytes)
    if data.count(b"&") >= limits.parts:
        raise fields.too_many(limits.parts)
    # ISO 8859-1 keeps each byte as one character until the charset of the form is known.
    pairs = await asyncio.to_thread(parse_qsl, data.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    charset = dict(pairs).get("_charset_") or header_parameters(request.headers["content-type"]).get("charset")
    codec = (_named_codec(charset) if charset else None) or "utf-8"
    form = Form()
    for name, value in pairs:
        text = readable_text(value.encode("latin-1"), codec)
        if text is None:
            raise _invalid(
                f"'{name[:64]}' is not {charset or 'UTF-8'}. Send it as UTF-8, or name its charset in 'Content-Type'.",
                name[:64],
            )
        if name not in fields.files:
            form.texts.setdefault(readable_text(name.encode("latin-1"), codec) or name, []).append(text)
        elif value:
            raise _invalid(f"'{name}' must be a file. Send the form as multipart/form-data, as curl does by -F.", name)
    return form


def _named_codec(charset: str) -> str:
    codec = codec_of(charset)
    if codec is None:
        raise _invalid(f"The charset {charset[:40]!r} is not read here. Send the form as UTF-8.", "_charset_")
    return codec


def _invalid(message: str, param: str | None = None) -> RequestError:
    return RequestError(400, "invalid_multipart", message, param)
