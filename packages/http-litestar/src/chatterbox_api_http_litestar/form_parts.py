"""The parts of a multipart form: their names and types, their ranges of the body, and their errors."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Final

from multipart import MultipartError

from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.header_parameters import codec_of, decoded, header_parameters, readable_text
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.request_body import RequestBody

__all__ = ["FormFields", "Part", "PartReader"]

_DISPLAY_CHARS: Final = 64
_TEXT_CHECK_BYTES: Final = 4096
_PLAIN: Final = ("", "binary", "8bit", "7bit")


@dataclass(frozen=True, slots=True)
class FormFields:
    """The fields of a form: files, texts, and other texts, which no handler reads."""

    files: tuple[str, ...]
    texts: frozenset[str]

    def no_file(self, name: str) -> RequestError:
        """The error for a file in a field that takes none."""
        remedy = f"Send the recording as '{self.files[0]}'." if self.files else "This form has no files."
        if name in self.texts:
            return _invalid(f"'{name}' must be text, not a file.", name)
        if not name:
            return _invalid(f"A file has no field name. {remedy}")
        return _invalid(f"'{name[:_DISPLAY_CHARS]}' is not a file field of this form. {remedy}", name[:_DISPLAY_CHARS])

    def too_many(self, limit: int) -> RequestError:
        """The error for a form of more fields than are allowed."""
        return RequestError(413, "request_too_large", f"The form has more than the {limit} fields that are allowed.")


@dataclass(slots=True)
class Part:
    """One part; its content is a range of the request's body.

    Attributes:
        number: of the part within the form, from 1.
        parameters: of its Content-Disposition, as bytes in ISO 8859-1.
        charset: that it names; empty where it names none.
        start, stop: its range of the body, in bytes.
    """

    number: int
    name: str
    is_file: bool
    parameters: dict[str, str] = field(repr=False)
    media_type: str
    charset: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """The bytes of the content."""
        return self.stop - self.start

    def filename(self, codec: str | None) -> str:
        """The client's name for the file; empty where it has none."""
        return decoded(self.parameters, "filename", codec=codec) or ""

    def text(self, data: bytes, codec: str | None) -> str:
        """The content as text.

        Args:
            codec: of a part that names no charset; UTF-8 when None.

        Raises:
            RequestError: the bytes are no text in that charset.
        """
        own = codec_of(self.charset) if self.charset else codec or "utf-8"
        label = self.name[:_DISPLAY_CHARS]
        if own is None:
            raise _invalid(f"'{label}' is in the charset {self.charset[:40]!r}. Send it as UTF-8.", label)
        text = readable_text(data, own)
        if text is None:
            raise _invalid(
                f"'{label}' is not {self.charset or own.upper()}. Send it as UTF-8, or name its charset in the "
                "'Content-Type' of the part, as in 'text/plain; charset=windows-1252'.",
                label,
            )
        return text


class PartReader:
    """Follows the parser through a form.

    Attributes:
        done: the parts that are complete, without file fields that were left empty.
    """

    def __init__(self, fields: FormFields, limits: HttpLimits, body: RequestBody) -> None:
        self.done: list[Part] = []
        self._fields, self._limits, self._body = fields, limits, body
        self._count = self._text_bytes = 0
        self._part: Part | None = None

    def begin(self, headers: list[tuple[str, str]]) -> None:
        """Begin a part with its headers. Raises RequestError where they already show that it is wrong."""
        self._count += 1
        if self._count > self._limits.parts:
            raise self._fields.too_many(self._limits.parts)
        by_name = dict(headers)
        disposition = header_parameters(by_name.get("Content-Disposition", ""))
        name = decoded(disposition, "name", codec=None) or ""
        is_file = name in self._fields.files
        if not is_file and (disposition.get("filename") or disposition.get("filename*")):
            raise self._fields.no_file(name)
        if by_name.get("Content-Transfer-Encoding", "").strip().lower() not in _PLAIN:
            encoding = by_name["Content-Transfer-Encoding"][:40]
            raise _invalid(
                f"'{name[:_DISPLAY_CHARS]}' is encoded as {encoding!r}. Send its bytes as they are.",
                name[:_DISPLAY_CHARS],
            )
        media_type = by_name.get("Content-Type", "")
        self._part = Part(
            number=self._count,
            name=name,
            is_file=is_file,
            parameters=disposition,
            media_type=media_type.partition(";")[0].strip().lower(),
            charset=header_parameters(media_type).get("charset", ""),
            start=self._body.size,
            stop=self._body.size,
        )

    async def add(self, data: bytes) -> None:
        """Append to the content of the part. Raises RequestError, Overloaded, Unavailable."""
        part, limits = self._part, self._limits
        if part is None:  # not with this parser, which begins each part first
            return
        part.stop += len(data)
        if part.is_file and part.size > limits.file_bytes:
            raise _too_large(f"'{part.name}' has more than {limits.file_bytes:,} bytes.", part.name)
        if not part.is_file:
            self._text_bytes += len(data)
            if self._text_bytes > limits.body_bytes:
                raise _too_large(f"The texts of the form have more than {limits.body_bytes:,} bytes together.")
        await self._body.write(data)

    async def end(self) -> None:
        """End the part. Raises RequestError where it is a text in a file's place."""
        part, self._part = self._part, None
        if part is None or (part.is_file and not part.filename(None) and not part.size):
            return
        if part.is_file and await self._is_text(part):
            raise _invalid(
                f"'{part.name}' must be a file, not text; with curl, -F {part.name}=@recording.wav.", part.name
            )
        self.done.append(part)

    def place(self) -> str:
        """The label of the part that is being read, or of the one that would come next."""
        if self._part is None:
            return f"Part {self._count + 1} of the form"
        return f"Part {self._part.number} of the form ('{self._part.name[:_DISPLAY_CHARS]}')"

    def header_too_large(self, limit_bytes: int) -> RequestError:
        """The error for a part whose header is too large."""
        message = f"{self.place()} has a header of more than {limit_bytes:,} bytes, or of too many lines."
        return RequestError(413, "request_too_large", message)

    def damaged(self, error: MultipartError) -> RequestError:
        """The error for a form that cannot be parsed, from the parser's error."""
        if "Unexpected end" not in str(error):
            return _invalid(f"{self.place()} is damaged: {error}.")
        if self._part is not None:
            return _invalid(f"{self.place()} is cut off: the form has no end.")
        if self._count:
            return _invalid(f"The form is cut off behind part {self._count}: its closing boundary is missing.")
        return _invalid(
            "The form has no parts: it is empty, or 'Content-Type' names another boundary than it has. "
            "Let the HTTP library write this header."
        )

    async def _is_text(self, part: Part) -> bool:
        """Whether a file field holds text, such as the file's name: no recording can be read as text."""
        if part.parameters.keys() & {"filename", "filename*"} or part.media_type not in ("", "text/plain"):
            return False
        head = await self._body.read(part.start, min(part.stop, part.start + _TEXT_CHECK_BYTES))
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(head, final=part.size <= len(head))
        except UnicodeDecodeError:
            return False
        return all(char.isprintable() or char in "\r\n\t" for char in text)


def _invalid(message: str, param: str | None = None) -> RequestError:
    return RequestError(400, "invalid_multipart", message, param)


def _too_large(message: str, param: str | None = None) -> RequestError:
    return RequestError(413, "request_too_large", message, param)
