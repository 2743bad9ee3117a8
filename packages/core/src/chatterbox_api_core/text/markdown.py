"""Markdown as it is read out: the marks are left out, the words stay.

What chat models write: CommonMark with tables, strike-through, task lists and footnotes. What only looks like a mark
is spoken as written: `2*3*4`, `snake_case`, `#1`, `C#`, `a < b`, `<b>`, `a[i](j)`. The numbers of a list are words and
are spoken, and so is code.

What goes with all its words: a definition of a label (`[1]: https://example.com`), the language of a block of code
(one word, or one with attributes), and an HTML comment that begins its line. A comment within a line is spoken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from chatterbox_api_core.text.characters import ONE_EMOJI
from chatterbox_api_core.text.inline_marks import without_inline_marks
from chatterbox_api_core.text.lines import BULLET, Line, LineReader
from chatterbox_api_core.text.stretches import NO_PAUSE

__all__ = ["markdown_lines", "without_emoji"]

_QUOTE = re.compile(r"(?:>(?=[\s>]|[^\W\d]|$)\s?)+")
_FENCE = re.compile(r"(`{3,}|~{3,})\s*(?:[^\s`~]*|[^`~={]*[={][^`~]*)$")  # `~~~ Chapter One ~~~` is none
_HEADING = re.compile(r"#{1,6}(?:\s|$)")
_TASK = re.compile(r"\[[ xX]\] ")
_REFERENCE = re.compile(  # only to what looks like an address: `[Alice]: Hello!` is what somebody says
    rf"\[(?!\^){NO_PAUSE}([^\[\]]{{1,200}})\]: "
    r"(?:<\S*>|#\S*|\.{0,2}/\S*|[A-Za-z][\w+.-]*://\S+|mailto:\S+|[\w-]+(?:\.[\w-]+)*\.[^\W\d_][\w-]+(?:/\S*)?)"
    r"(?: (?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?$"
)
_FOOTNOTE = re.compile(r"\[\^([\w-]{1,40})\]: ?")
_COMMENTS = re.compile(r"(?:\s*<!--(?>.*?-->))++")
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_KEYCAP = re.compile("([0-9])\ufe0f?\u20e3|\U0001f51f")
_KEYCAP_MARK = re.compile("[#*](?=\ufe0f?\u20e3)")
_EMOJI = re.compile(f"(?: ?{ONE_EMOJI})+")
_CLOSING: Final = frozenset(".,!?;:)]}…。，！？、”’»")


def markdown_lines(text: str) -> list[Line]:
    """The lines of a normalised Markdown text, without its marks and emoji."""
    reader = _Reader(text)
    cleaned: list[Line] = []
    for group in _groups(reader.lines()):
        words = "\n".join(each.line.text for each in group)
        if not group[0].is_code:
            words = without_inline_marks(_KEYCAP_MARK.sub("", words), references=reader.references)
        for each, spoken in zip(group, words.split("\n"), strict=True):
            line = replace(each.line, text=" ".join(without_emoji(spoken).split()))
            if line.text or not each.line.text:  # a line of emoji alone is no blank line
                cleaned.append(line)
    return cleaned


def without_emoji(text: str) -> str:
    """The text without emoji: joined ones and flags too. Of a keycap the number stays, because people count with it."""
    if text.isascii():
        return text
    return _EMOJI.sub(_space_behind, _KEYCAP.sub(_number, text))


def _number(keycap: re.Match[str]) -> str:
    before = keycap.string[keycap.start() - 1 : keycap.start()]
    return f"{' ' if before.isalnum() else ''}{keycap.group(1) or '10'}{_space_behind(keycap)}"


def _space_behind(emoji: re.Match[str]) -> str:
    return "" if emoji.string[emoji.end() : emoji.end() + 1] in _CLOSING else " "


@dataclass(frozen=True, slots=True)
class _MarkdownLine:
    line: Line
    is_code: bool = False


def _groups(lines: Iterator[_MarkdownLine]) -> Iterator[list[_MarkdownLine]]:
    """Runs of lines that an emphasis or a link may span."""
    group: list[_MarkdownLine] = []
    for each in lines:
        if group and (each.line.starts or group[-1].line.ends or not each.line.text or each.is_code):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


class _Reader:
    """Takes off the marks of blocks, line by line."""

    def __init__(self, text: str) -> None:
        self.references: set[str] = set()
        self._raw = text.split("\n")
        self._comment_end = max((at for at, raw in enumerate(self._raw) if "-->" in raw), default=-1)
        self._reader = LineReader()
        self._quotes = 0

    def lines(self) -> Iterator[_MarkdownLine]:
        """The lines in order. `references` is complete when this begins."""
        self._find_references()
        fence, in_comment, in_table = "", False, False
        for at, raw in enumerate(self._raw):
            if in_comment:
                in_comment, raw = _after_comment(raw)
                if not raw.strip():
                    continue
            elif not raw or raw.isspace():
                yield _MarkdownLine(self._reader.read(""))
                in_table = False
                continue
            raw, quotes = _unquoted(raw)
            stripped = raw.strip()
            if fence:
                if stripped.startswith(fence) and not stripped.strip(fence[0]):
                    fence = ""
                elif stripped:
                    yield _MarkdownLine(Line(stripped, starts=True, ends=True), is_code=True)
                continue
            if match := _FENCE.match(stripped):
                fence = match.group(1)
                continue
            raw, in_comment = self._without_comments(raw, at)
            in_table = "|" in raw and (in_table or self._heads_table(at) or _is_row(raw.strip()))
            if in_table and _is_ruler(raw):
                continue
            yield _MarkdownLine(self._line(raw, quotes=quotes, in_table=in_table))

    def _line(self, raw: str, *, quotes: int, in_table: bool) -> Line:
        stripped = raw.strip()
        changed, self._quotes = quotes != self._quotes, quotes
        if _is_ruler(stripped) or _REFERENCE.match(" ".join(stripped.split())):
            return self._reader.read("")
        if in_table:
            cells = (cell.strip() for cell in _CELL_BORDER.split(stripped))
            return Line(", ".join(cell for cell in cells if cell), starts=True, ends=True)
        if _HEADING.match(stripped):
            return Line(_heading(" ".join(stripped.split())), starts=True, ends=True)
        line = self._reader.read(raw)
        text = line.text
        if bullet := BULLET.match(text):
            text = text[bullet.end() :]
            text = text[len(task.group()) :] if (task := _TASK.match(text)) else text
        footnote = _FOOTNOTE.match(text)
        text = text[footnote.end() :] if footnote else text
        starts = line.starts or changed or footnote is not None
        return replace(
            line, text=text, starts=starts, ends=line.ends or raw.endswith("  ")
        )  # two spaces are a line break

    def _find_references(self) -> None:
        for raw in self._raw:
            line = raw.lstrip()
            if line.startswith("[") and (match := _REFERENCE.match(" ".join(line.split()))):
                self.references.add(match.group(1).casefold())
            elif line.startswith("[^") and (match := _FOOTNOTE.match(line)):
                self.references.add(f"^{match.group(1)}".casefold())

    def _heads_table(self, at: int) -> bool:
        following = _unquoted(self._raw[at + 1])[0] if at + 1 < len(self._raw) else ""
        return "|" in following and _is_ruler(following)

    def _without_comments(self, raw: str, at: int) -> tuple[str, bool]:
        """The line without the HTML comments that it begins with, and whether one goes on in the next."""
        if comments := _COMMENTS.match(raw):
            raw = raw[comments.end() :]
        if at < self._comment_end and raw.lstrip().startswith("<!--"):  # one that has no end is no comment
            return "", True
        return raw, False


def _after_comment(text: str) -> tuple[bool, str]:
    """Of text that begins within a comment: whether the comment goes on in the next line, and what comes after it."""
    _, end, rest = text.partition("-->")
    return not end, rest


def _unquoted(raw: str) -> tuple[str, int]:
    """A line without the marks of a quotation, and how many there were."""
    stripped = raw.lstrip()
    if not (match := _QUOTE.match(stripped)):
        return raw, 0
    return stripped[match.end() :], match.group().count(">")


def _is_ruler(raw: str) -> bool:
    """Whether a line only draws: a thematic break, the line below a title, or below a table's head."""
    drawn = set(raw.split()) and set("".join(raw.split()))
    if drawn and "|" in raw:
        return drawn <= set("|-:") and "-" in drawn
    return len(drawn) == 1 and drawn <= set("-*_=") and len("".join(raw.split())) >= 3


def _is_row(stripped: str) -> bool:
    return stripped.startswith("| ") and stripped.endswith(" |")


def _heading(text: str) -> str:
    text = text.lstrip("#").strip()
    closed = text.rstrip("#")
    return closed.rstrip() if not closed or closed.endswith(" ") else text
