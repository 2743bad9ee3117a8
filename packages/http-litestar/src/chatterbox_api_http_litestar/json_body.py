"""Decodes JSON as clients send it: with byte order marks, and with half of a surrogate pair."""

from __future__ import annotations

import codecs
import re
from typing import Any

import msgspec

__all__ = ["decode_json"]

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_A_PAIR = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))


def decode_json(body: bytes) -> Any:
    """Decode a value.

    A byte order mark is removed. Half of a surrogate pair (`"Hello \\ud83d"`) is dropped: clients that cut strings at a
    fixed length send it.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is not JSON.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        repaired = _without_half_pairs(body)
        if repaired == body:
            raise
    return msgspec.json.decode(repaired)


def _without_half_pairs(body: bytes) -> bytes:
    """The body without escapes such as `\\ud83d` whose other half is missing; `\\\\ud83d` is no escape of that kind.

    All of it is one pass of C: a pattern that steps over each escaped backslash takes a second for a megabyte of them.
    """
    if b"\0" in body:  # not allowed in JSON, so it can stand for an escaped backslash meanwhile
        return body
    return _HALF_A_PAIR.sub(b"", body.replace(rb"\\", b"\0")).replace(b"\0", rb"\\")
