"""Which line breaks end something, and which are those of a page that was too narrow.

A list, a title, a verse, an address and a message of a chat end with their line. Prose that was wrapped at some width
goes on: its lines are one paragraph again. A blank line ends a paragraph. Between two lines, in this order:

1. A line that begins with a list mark, a speaker's name or a time begins anew, and so does what follows a heading. The
   times of a subtitle, an address and a row of a table stand alone. An indented line goes on with the item of a list
   above it.
2. A line *runs on* when it ends without a mark (`.`, `!`, `?`, `:`, `;` and the like) and the next begins in lower
   case. It is joined, unless the block looks like a list in lower case (no line begins with a capital, or its lines are
   of one or two words) or like verse (it is narrower than 40 columns, and every other line ends with a comma).
3. A line is *full* when the next line's first word would not have fitted on it, measured by the longest line of the
   block. Wrapping leaves all lines full, lists and verses do not. Full lines of 40 columns or more are joined, whatever
   they begin with, where another line of the block runs on.
4. Where letters have no case, full lines of 40 columns or more (20 Chinese characters) are joined when three in four
   lines of the block are full, and the block ends with a mark or has three lines.
5. A capital after a line that cannot end there (`of the`), or in a language that writes nouns so, goes on too, when the
   line is full and has 40 columns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from chatterbox_api_core.text.characters import UNSPACED
from chatterbox_api_core.text.languages import rules_of

__all__ = ["BULLET", "Block", "Line", "LineReader", "join_lines", "plain_lines"]

BULLET: Final = re.compile(r"[-*+•◦▪‣⁃●○■□►·]\s+(?=\S)")

_ORDERED = re.compile(r"\(?(?:(\d{1,3})|([A-Za-z])|[ivxIVX]{1,4})[.)]\s+(?=\S)")
_DIALOGUE = re.compile(r"[–—―]\s?(?=\S)")
_SPEAKER = re.compile(
    r"\[[^\]]{1,40}\]\s|<[^\W\d][\w .-]{0,24}>\s|\d{1,2}:\d{2}(?::\d{2})?\s*(?:-->|[-–—]\s)"
    r"|[^\W\d][\w.'’-]*(?: [\w.'’-]+){0,2} ?:\s|[^\W\d]{1,8}：|[0-9]\ufe0f?\u20e3|\|"
)
_CUE_TIME = r"(?:\d{1,4}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?"
_STANDS_ALONE = re.compile(  # the times of a subtitle, an address, a row of a table
    rf"{_CUE_TIME} ?--> ?{_CUE_TIME}(?: .*)?$|<?(?:(?i:https?|ftp)://|(?i:www)\.)\S+$|<?[\w.+-]{{1,64}}@[\w.-]{{1,255}}>?$|\|.*\|$"
)
_END_MARK = re.compile(r"""[.!?…:;。！？；：｡．।॥؟۔።։။។།]["'”’»)\]」』）*_“]*$""")
_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60"
    "\U0001f300-\U0001faff\U00020000-\U0003ffff]"
)
_UNSPACED_CHAR = re.compile(f"[{UNSPACED}]")
_HYPHENATED = re.compile(r"([^\W_]+)[-‐]$")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W_]")

_PAGE_COLUMNS: Final = 40
_KEPT_HYPHENS: Final = frozenset(
    ["all", "co", "e", "ex", "half", "high", "long", "low", "mid", "non", "self", "semi", "short", "so", "well"]
)
_COORDINATORS: Final = frozenset(
    [
        "and",
        "or",
        "und",
        "oder",
        "bzw.",
        "bis",
        "et",
        "ou",
        "y",
        "o",
        "e",
        "en",
        "of",
        "och",
        "eller",
        "og",
        "i",
        "и",
        "или",
    ]
)

Case = Literal["lower", "upper", "none", "other"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text, without white space at its ends.

    Attributes:
        starts: it does not go on with the line before.
        ends: the next line does not go on with it.
        item: it is an item of a list.
        indent: spaces that stood before it.
    """

    text: str
    starts: bool = False
    ends: bool = False
    item: bool = False
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """What stands for itself, and how it ends."""

    text: str
    boundary: Literal["line", "paragraph"]


_BLANK = Line("")


class LineReader:
    """Reads the lines of one text in order, and marks those that begin something anew."""

    def __init__(self) -> None:
        self._after_blank = True
        self._counting = False  # whether the block has numbered items

    def read(self, raw: str) -> Line:
        line = " ".join(raw.split())
        if not line:
            self._after_blank = True
            return _BLANK
        ordered = _ORDERED.match(line)
        if self._after_blank:
            self._counting = ordered is not None
        elif ordered and _is_first(ordered):
            self._counting = True  # rather than by any number: a wrapped line may begin with `3. Oktober`
        self._after_blank = False
        item = BULLET.match(line) is not None or (ordered is not None and self._counting)
        alone = _STANDS_ALONE.match(line) is not None
        starts = item or alone or _begins_anew(line)
        return Line(line, starts=starts, ends=alone, item=item, indent=len(raw) - len(raw.lstrip()))


def plain_lines(text: str) -> list[Line]:
    """The lines of a text without markup."""
    reader = LineReader()
    return [reader.read(raw) for raw in text.split("\n")]


def _is_first(item: re.Match[str]) -> bool:
    return item.group().strip(" ().").lower() in ("0", "1", "a", "i")


def _begins_anew(line: str) -> bool:
    if dialogue := _DIALOGUE.match(line):
        return not line[dialogue.end()].islower()
    return _SPEAKER.match(line) is not None and not line[0].islower()


def join_lines(lines: Iterable[Line], *, language: str | None) -> Iterator[Block]:
    """The lines as blocks: what was wrapped is one again. See the module for the rule."""
    block: list[Line] = []
    for line in (*lines, Line("")):
        if line.text:
            block.append(line)
        elif block:
            yield from _blocks(block, language)
            block = []


def _blocks(lines: Sequence[Line], language: str | None) -> Iterator[Block]:
    joined = [lines[0].text]
    wrapping = _Wrapping(lines, language) if len(lines) > 1 else None
    in_item = lines[0].item
    for at in range(1, len(lines)):
        line = lines[at]
        goes_on = not (line.starts or lines[at - 1].ends) and (
            (in_item and line.indent >= 2) or (wrapping is not None and wrapping.goes_on(at))
        )
        if goes_on:
            joined[-1:] = _glued(joined[-1], line.text)
        else:
            yield Block("".join(joined), "line")
            joined, in_item = [line.text], line.item
    yield Block("".join(joined), "paragraph")


class _Wrapping:
    """What is known of a block's lines together, to judge each break by. `at` is the index of the line after it."""

    def __init__(self, lines: Sequence[Line], language: str | None) -> None:
        self._rules = rules_of(language)
        self._texts = [line.text for line in lines]
        widths = [_width(text) for text in self._texts]
        longest = max(widths)
        first_words = [_width(_first_word(text)) for text in self._texts]
        self._wide = longest >= _PAGE_COLUMNS
        rooms_needed = (width + 1 + word for width, word in zip(widths, first_words[1:], strict=False))
        self._full = [False, *(needed > longest for needed in rooms_needed)]
        self._open = [True, *(_END_MARK.search(text[-8:]) is None for text in self._texts[:-1])]
        self._cases = [_case(text) for text in self._texts]
        self._words = [text.count(" ") + 1 for text in self._texts]
        self._ends_with_mark = _END_MARK.search(self._texts[-1][-8:]) is not None
        self._has_capitals = any(case != "lower" for case in self._cases)
        breaks = range(1, len(lines))
        commas = sum(text.endswith((",", "،", "，", "、")) for text in self._texts[:-1])
        self._is_verse = not self._wide and 2 * commas >= len(breaks)
        self._runs_on = any(self._full[at] and self._open[at] and self._cases[at] == "lower" for at in breaks)
        self._even = 4 * sum(self._full) >= 3 * len(breaks) and any(self._open[at] for at in breaks)

    def goes_on(self, at: int) -> bool:
        full_page = self._wide and self._full[at]
        if self._open[at] and self._cases[at] == "lower":
            return full_page or (self._has_capitals and not self._is_verse and self._is_sentence(at))
        if not full_page:
            return False
        if self._cases[at] == "none" or self._cases[at - 1] == "none":
            return self._even and (self._ends_with_mark or len(self._texts) > 2)
        if self._runs_on:
            return True
        last_word = self._texts[at - 1].rpartition(" ")[2]
        return self._open[at] and (
            last_word in self._rules.unfinished or (self._rules.noun_capitals and self._ends_with_mark)
        )

    def _is_sentence(self, at: int) -> bool:
        """Whether a line that runs on has the words of a sentence, rather than those of a list."""
        if self._ends_with_mark:
            return self._words[at - 1] >= 3
        return max(self._words[at - 1], self._words[at]) >= 4


def _glued(before: str, after: str) -> tuple[str, str]:
    """Two lines as they are written on one."""
    if hyphenated := _HYPHENATED.search(before, max(0, len(before) - 40)):
        if _first_word(after) in _COORDINATORS:  # `Nord- und Südpol`
            return f"{before} ", after
        part = hyphenated.group(1)
        is_compound = (
            part.lower() in _KEPT_HYPHENS
            or _DIGIT.search(part) is not None  # `CO2-neutral`
            or before[: hyphenated.start()].endswith("-")
            or "-" in _first_word(after)[1:-1]  # `mother-in-law`
        )
        return (before if is_compound or not after[0].islower() else before[:-1]), after
    if _UNSPACED_CHAR.match(before[-1]) and _UNSPACED_CHAR.match(after[0]):
        return before, after
    return f"{before} ", after


def _first_word(text: str) -> str:
    if _UNSPACED_CHAR.match(text):
        return text[:2]  # one that may not begin a line comes along with the one before
    return text.split(" ", 1)[0]


def _width(text: str) -> int:
    return len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))


def _case(text: str) -> Case:
    """Of the first letter of a line; digits, and lines without a letter, are other."""
    first = _LETTER.search(text)
    if first is None:
        return "other"
    char = first.group()
    if char.islower():
        return "lower"
    if char.isupper() or char.istitle():
        return "upper"
    return "none" if unicodedata.category(char) == "Lo" else "other"
