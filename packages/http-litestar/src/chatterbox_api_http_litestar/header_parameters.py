"""Reads parameters of headers as clients write them: quoted in several ways, in several charsets, and by RFC 5987.

A header line arrives with each byte as one character (ISO 8859-1). It is decoded once its charset is known.
"""

from __future__ import annotations

import re
from email.header import decode_header
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["codec_of", "decoded", "header_parameters", "readable_text"]

_CODECS: Final = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    # As browsers do, what is called Latin-1 is read as its superset.
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin-1", "latin1", "windows-1252", "cp1252"), "cp1252"),
    "iso-8859-2": "iso8859_2",
    "iso-8859-15": "iso8859_15",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "koi8-r": "koi8_r",
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "windows-31j", "cp932"), "cp932"),
    "euc-jp": "euc_jp",
    **dict.fromkeys(("gbk", "gb2312", "gb18030", "cp936"), "gb18030"),
    "big5": "big5",
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "cp949"), "cp949"),
}
"""The charsets that are read. Python's decoder of each takes time in proportion to the text."""

_PARAMETER: Final = re.compile(r";\s*([^\s=;\"]+)\s*=\s*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_QUOTED_BYTES: Final = re.compile(r'"((?:[\x80-\xff][\x40-\xff]|[^"\\]|\\.)*+)"')
"""As `_QUOTED`; a backslash behind a high byte is the second half of a character, as in Shift-JIS, GBK and Big5."""
_CLOSED: Final = re.compile(r'"([^"]*)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_ESCAPED_BYTES: Final = re.compile(r'[\x80-\xff][\x40-\xff]|\\(["\\])')
_PERCENT_ENCODED: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
_EXTENDED: Final = re.compile(r"([^']*)'[^']*'(.*)", re.DOTALL)


def codec_of(charset: str) -> str | None:
    """The name of Python's decoder for a charset; None for a charset that is not read."""
    return _CODECS.get(charset.strip().lower())


def header_parameters(line: str) -> dict[str, str]:
    """The parameters of a header, names in lower case; the values are undecoded, a byte a character."""
    quoted = _QUOTED if _is_utf8(line) else _QUOTED_BYTES
    parameters: dict[str, str] = {}
    position = 0
    while found := _PARAMETER.search(line, position):
        text, position = _value(line, found.end(), quoted)
        parameters.setdefault(found[1].lower(), _unescaped(text, pairs=quoted is _QUOTED_BYTES))
    return parameters


def decoded(parameters: dict[str, str], name: str, *, codec: str | None) -> str | None:
    """A parameter as text for people: `filename*` before `filename`; None where there is neither.

    Bytes that are no UTF-8 are decoded by `codec`, the form's own, else as windows-1252, the most frequent one. A wrong
    guess makes a name look strange, and nothing worse.
    """
    if (extended := _EXTENDED.fullmatch(parameters.get(f"{name}*", ""))) and (known := codec_of(extended[1])):
        text = readable_text(unquote_to_bytes(extended[2].encode("latin-1")), known)
        if text is not None:
            return text
    if name not in parameters:
        return None
    raw = parameters[name].encode("latin-1")
    for each in ("utf-8", codec, "cp1252"):
        if each is not None and (text := readable_text(raw, each)) is not None:
            return _from_encoded_words(_percent_decoded(text))
    return raw.decode("latin-1")


def readable_text(data: bytes, codec: str) -> str | None:
    """The bytes as text; None where they are invalid in this charset."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _value(line: str, start: int, quoted: re.Pattern[str]) -> tuple[str, int]:
    """A value, in quotes or up to the next semicolon, and where it ends."""
    for pattern in (quoted, _CLOSED):
        if match := pattern.match(line, start):
            return match[1], match.end()
    end = line.find(";", start)
    end = len(line) if end < 0 else end
    return line[start:end].strip().removeprefix('"'), end


def _unescaped(text: str, *, pairs: bool) -> str:
    """Without what browsers (`%22`) and others (`\\"`) write for a quote; Windows' own backslashes stay."""
    if '\\"' in text:
        escaped = _ESCAPED_BYTES if pairs else _ESCAPED
        return escaped.sub(lambda match: match[1] or match[0], text)
    return re.sub("%(22|0[DdAa])", lambda match: chr(int(match[1], 16)), text)


def _percent_decoded(text: str) -> str:
    """`M%C3%BCller%20.mp3` as RFC 7578 suggests and aiohttp writes it; a name with any other `%` as it is."""
    if not text.isascii() or not _PERCENT_ENCODED.fullmatch(text):
        return text
    return readable_text(unquote_to_bytes(text), "utf-8") or text


def _from_encoded_words(text: str) -> str:
    """`=?utf-8?B?TcO8?=` as .NET and mail libraries write names; anything else as it is."""
    if not (text.startswith("=?") and text.endswith("?=")):
        return text
    try:
        (data, charset), *more = decode_header(text)
    except ValueError:
        return text
    codec = codec_of(charset or "")
    if more or codec is None or isinstance(data, str):
        return text
    return readable_text(data, codec) or text


def _is_utf8(line: str) -> bool:
    return readable_text(line.encode("latin-1"), "utf-8") is not None
