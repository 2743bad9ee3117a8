"""Names of voices: their canonical form, what may be one, and the shape of an id.

Two spellings of one name are the same voice: `Anna`, `ANNA`, full-width `Ａｎｎａ` and `An\u200bna`.
A name can never be mistaken for an id or for a word that routes use.
"""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from typing import Final

from chatterbox_api_core.errors import InvalidInput

__all__ = [
    "MAX_NAME_CHARS",
    "RESERVED_NAMES",
    "canonical_name",
    "check_name",
    "could_be_name",
    "is_default_name",
    "is_voice_id",
    "new_voice_id",
]

MAX_NAME_CHARS: Final = 100
"""The longest name or alias, in characters."""
RESERVED_NAMES: Final = frozenset({"default", "all-names", "voices", "none", "null"})
"""Canonical forms that no voice may have, because routes and requests use these words."""

_ID = re.compile(r"voice_[0-9a-hjkmnp-tv-z]{26}")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\ud800-\udfff]|%[0-9a-fA-F]{2}')


# Unicode's Default_Ignorable_Code_Point, as far as it is not of category Cf, and the blank braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def canonical_name(name: str) -> str:
    """The form in which names are compared: NFKC, case folded, without invisible characters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(char for char in folded if not _is_invisible(char))
    return unicodedata.normalize("NFKC", " ".join(visible.split()))


def check_name(name: str, *, field: str) -> str:
    """The name without surrounding white space.

    Args:
        field: the argument that has it, for the error.

    Raises:
        InvalidInput: `invalid_name`, the name cannot be used; the message says why.
    """
    name = name.strip()
    canonical = canonical_name(name[: MAX_NAME_CHARS + 1])

    def refuse(reason: str) -> InvalidInput:
        return InvalidInput(f"This {field} cannot be used: {reason}.", code="invalid_name", field=field)

    if not canonical.strip("."):
        raise refuse("it is empty" if not canonical else "dots alone mean a folder in an address")
    if len(name) > MAX_NAME_CHARS:
        raise refuse(f"it has {len(name)} characters, at most {MAX_NAME_CHARS} are allowed")
    if not could_be_name(name):
        raise refuse('it has a control character, a percent escape or one of / \\ : * ? " < > |')
    if canonical in RESERVED_NAMES:
        raise refuse(f"'{canonical}' is reserved")
    if canonical.startswith("voice_"):
        raise refuse("names that begin with 'voice_' are kept for ids")
    return name


def could_be_name(text: str) -> bool:
    """Whether this may be the name or the id of a voice, whether or not there is one."""
    if len(text) > MAX_NAME_CHARS:  # first, because a canonical form may be many times as long
        return False
    canonical = canonical_name(text)
    return bool(canonical) and not _FORBIDDEN.search(text) and not _FORBIDDEN.search(canonical)


def is_default_name(text: str) -> bool:
    """Whether this is the word `default`, in any spelling: the voice that speaks when none is named."""
    return could_be_name(text) and canonical_name(text) == "default"


def is_voice_id(text: str) -> bool:
    """Whether this has the shape of an id, whether or not there is such a voice."""
    return _ID.fullmatch(text) is not None


def new_voice_id(*, now_ms: int | None = None) -> str:
    """A fresh id: 48 bits of time and 80 of chance, so that ids sort by creation (the layout of a ULID)."""
    milliseconds = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    number = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    return "voice_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or _INVISIBLE.match(char) is not None
