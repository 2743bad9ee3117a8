"""One spelling for what is written in many: `１２３` and `𝟏𝟐𝟑` are 123, `ﬁne` and `Hel\\u200blo` are words.

Engines know letters, digits and common marks; for what else Unicode has they say nothing, or spell its name. What
is left is in NFC, without invisible characters but those that are part of a word's or an emoji's spelling.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from chatterbox_api_core.text.characters import CJK, EMOJI, JOINING_SCRIPTS, native_zero

__all__ = ["has_words", "is_blank", "is_spoken", "normalise"]

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c-\x1f\x85\u2028]")
_CONTROL = re.compile("[\0-\x09\x0e-\x1b\x7f-\x84\x86-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SOFT_WRAP = re.compile("\u00ad[^\\S\n]*\n[^\\S\n]*")
_LONE_JOINER = re.compile(  # not after a letter of a script that needs it, nor within an emoji
    f"(?<![{JOINING_SCRIPTS}])\u200c"
    f"|(?<![{JOINING_SCRIPTS}{EMOJI}\ufe0f])\u200d"
    f"|(?<=[{EMOJI}\ufe0f])\u200d(?![{EMOJI}])"
    f"|(?<![{EMOJI}\u2139-\u2b07\u3030\u303d\u3297\u3299])\ufe0f(?!\u20e3)"
    "|(?<![\u1820-\u18af])[\u180b-\u180f]"
)
_WIDE_MARKS = re.compile("[！，．：；？（）]+")
_CJK_CHAR = re.compile(f"[{CJK}]")
_SEPARATOR = re.compile("(?<=[\u0660-\u0669\u06f0-\u06f9])[\u066b\u066c](?=[\u0660-\u0669\u06f0-\u06f9])")
_ENCLOSED_NUMBER = re.compile(
    "[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3251-\u325f\u32b1-\u32bf\U0001f100-\U0001f10c]"
)

_MAX_MARKS: Final = 30
"""In a row; Unicode's Stream-Safe Text Format (UAX 15) has the same bound, and normalisation takes its square."""

_FOLDED_KINDS: Final = frozenset(
    [
        "<wide>",
        "<narrow>",
        "<font>",
        "<initial>",
        "<medial>",
        "<final>",
        "<isolated>",
        "<vertical>",
        "<small>",
        "<circle>",
        "<square>",
        "<noBreak>",
    ]
)
# Of kind <compat>: ligatures, old letter forms, radicals, double marks, numerals, and what is in parentheses. Others of
# this kind are letters of their own (Thai, Lao, Armenian, Korean), or have a meaning of their own (`…`, `№`).
_FOLDED_COMPAT = re.compile(
    "[\u0132\u0133\u013f\u0140\u0149\u017f\u01c4-\u01cc\u01f1-\u01f3\u1e9a\u03d0-\u03d6\u03f0-\u03f5\u03f9"
    "\u2024\u203c\u2047-\u2049\u2100\u2101\u2103\u2105\u2106\u2109\u2121\u213b\u2160-\u217f\u2474-\u24b5\u2e9f\u2ef3\u2f00-\u2fd5"
    "\u3220-\u3247\u32c0-\u32cb\u3358-\u3370\u33e0-\u33fe\ufb00-\ufb06\ufb13-\ufb17\ufb4f"
    "\U0001f100-\U0001f10a\U0001f110-\U0001f129]"
)
_KEPT: Final = frozenset(
    "\n！，．：；？（）～\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
)
_JOINED_TO_OTHERS: Final = frozenset("\ufe0f\u180b\u180c\u180d\u180e\u180f\u2800")
"""Invisible by themselves: variation selectors, and Braille's blank."""
_JOINING_FILLERS: Final = frozenset("\u034f\u17b4\u17b5")
_PARTING_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\ufffd")
"""They stand for a letter, or for one that was lost, so words beside them are two."""
_SPOKEN_MARKS: Final = frozenset("&%@#§")
_DRAWING_MARKS: Final = frozenset("-_=+*~#<>|.:")
_ENCLOSED_LETTERS: Final = (0x1F130, 0x1F150, 0x1F170)
"""Where rows of squared and circled A to Z begin; some have no decomposition."""


def normalise(text: str, *, language: str | None = None) -> str:
    """The text in the spelling that engines know; line breaks are `\\n`. Doing it twice changes nothing more.

    Letters and digits are folded by Unicode's compatibility decompositions, save for what has a meaning of its own:
    `²`, `½`, `™`, `…`, `№`, `µ`, `ª`. Digits of other scripts become ASCII, unless `language` writes them. Half a
    surrogate pair is dropped, a control character becomes a space.
    """
    if not text.isascii():
        text = _joined_surrogates(text).replace("\u2029", "\n\n")
    text = _CONTROL.sub(" ", _LINE_BREAK.sub("\n", text))
    if text.isascii():
        return text
    zero = native_zero(language)
    text = _ENCLOSED_NUMBER.sub(_spaced_number, _without_ignorables(_SOFT_WRAP.sub("", text)))
    if zero not in (0x0660, 0x06F0):
        text = _SEPARATOR.sub(lambda match: "." if match.group() == "\u066b" else ",", text)
    text = text.translate({ord(char): form for char in set(text) if (form := _folded(char, zero)) != char})
    text = _WIDE_MARKS.sub(_wide_marks, _LONE_JOINER.sub("", text))  # by their neighbours, as these are now
    return unicodedata.normalize("NFC", _with_few_marks(text))


def is_blank(text: str) -> bool:
    """Whether nothing can be seen of the text: white space, control and invisible characters alone."""
    return all(char.isspace() or _is_invisible(char) for char in text)


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit, of which every engine makes a sound."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def is_spoken(text: str) -> bool:
    """Whether an engine may have something to say: words, or signs that have a name, `&` or `%` or `€` or `=`.

    A row that only draws a line (`=====`, `+---+`) is not spoken.
    """
    if has_words(text):
        return True
    marks = "".join(text.split())
    if len(marks) >= 3 and _DRAWING_MARKS.issuperset(marks):
        return False
    return any(
        char in _SPOKEN_MARKS or (unicodedata.category(char) in ("Sc", "Sm") and char not in "|~") for char in marks
    )


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs") or _is_ignorable(char) or char in _JOINED_TO_OTHERS


def _joined_surrogates(text: str) -> str:
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def _without_ignorables(text: str) -> str:
    return text.translate(
        {ord(char): " " if char in _PARTING_FILLERS else None for char in set(text) if _is_ignorable(char)}
    )


def _is_ignorable(char: str) -> bool:
    """Whether it is invisible and joins nothing, wherever it stands; a filler that parts words is too."""
    if char.isascii() or char in _KEPT:
        return False
    code, category = ord(char), unicodedata.category(char)
    return (
        (category in ("Cf", "Co", "Cs") and char != "\u180e")
        or char in _JOINING_FILLERS
        or char in _PARTING_FILLERS
        or 0xFE00 <= code <= 0xFE0E
        or 0xE0000 <= code <= 0xE0FFF
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
    )


def _wide_marks(match: re.Match[str]) -> str:
    """Full-width marks stay among Chinese and Japanese characters; elsewhere they are the common ones."""
    text, marks = match.string, match.group()
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    if _CJK_CHAR.match(before) or _CJK_CHAR.match(after):
        return marks
    common = unicodedata.normalize("NFKC", marks)
    return f"{common} " if after.isalpha() and before.isalpha() and common[-1] in "!,;?" else common


def _spaced_number(match: re.Match[str]) -> str:
    """`①②` is 1 and 2 rather than 12."""
    text, char = match.string, match.group()
    number = unicodedata.normalize("NFKC", char)
    if number == char:
        number = f"{unicodedata.numeric(char):g}"
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    behind = " " if after.isalnum() or _ENCLOSED_NUMBER.match(after) else ""
    return f"{' ' if before.isalnum() and not _ENCLOSED_NUMBER.match(before) else ''}{number}{behind}"


def _folded(char: str, zero: int | None) -> str:
    """What a character is written as; itself where it has no other form, or one with a meaning of its own."""
    code = ord(char)
    if char.isascii() or char in _KEPT:
        return char
    category = unicodedata.category(char)
    if category == "Zs" or char in "\u2800\ufffc":
        return " "
    if category == "Nd":
        return char if zero is not None and zero <= code < zero + 10 else str(unicodedata.digit(char))
    if char in "\u2010\u2011":
        return "-"
    for first in _ENCLOSED_LETTERS:
        if first <= code < first + 26:
            return chr(ord("A") + code - first)
    kind, _, points = unicodedata.decomposition(char).partition(" ")
    if not kind.startswith("<") or 0x1F200 <= code < 0x1F300:
        return char
    form = "".join(chr(int(point, 16)) for point in points.split())
    if (kind in _FOLDED_KINDS and not "\u1100" <= form[:1] <= "\u11ff") or _FOLDED_COMPAT.match(char):
        return "".join(_folded(each, zero) for each in form)
    return form if kind == "<sub>" and not form.isalpha() else char


def _with_few_marks(text: str) -> str:
    marks = "".join(char for char in set(text) if unicodedata.combining(char))
    if not marks:
        return text
    return re.sub(f"([{marks}]{{{_MAX_MARKS}}})[{marks}]+", r"\1", text)
