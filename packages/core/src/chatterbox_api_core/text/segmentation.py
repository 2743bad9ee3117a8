"""From a text to the segments an engine speaks. Pure functions, linear in the text's length.

The first segment is short, so that sound comes early; the others are as long as the engine takes, because an engine
phrases whole sentences better than halves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.text.lines import join_lines, plain_lines
from chatterbox_api_core.text.markdown import markdown_lines
from chatterbox_api_core.text.normalisation import is_blank, is_spoken, normalise
from chatterbox_api_core.text.sentences import sentences
from chatterbox_api_core.text.ssml import read_ssml
from chatterbox_api_core.text.stretches import MAX_PAUSE_S, Boundary, Stretch, at_pauses

__all__ = ["TEXT_FORMATS", "TextFormat", "TextSegment", "check_text", "segment"]

TextFormat: TypeAlias = Literal["auto", "plain", "ssml"]
"""`auto` leaves out Markdown and emoji, `plain` leaves out nothing, `ssml` is a document."""
TEXT_FORMATS: Final[tuple[str, ...]] = get_args(TextFormat)

_CLAUSE_END = re.compile(r"[,;:،؛](?=\s)|[、，；：]|\s[–—-](?=\s)")
_JOINERS: Final = "\u200c\u200d\ufe0f\u20e3"


@dataclass(frozen=True, slots=True)
class TextSegment:
    """What an engine speaks at a time.

    Attributes:
        text: with a letter, a digit or a sign that has a name; empty where nothing is said but a pause is made.
        boundary: what it ends at.
        pause_s: the pause that the text asks for behind it; None where it asks for none.
    """

    text: str
    boundary: Boundary
    pause_s: float | None = None


def check_text(text: str, *, max_chars: int, text_format: str = "auto", field: str = "text") -> None:
    """Refuse a text that cannot be spoken whatever the voice and the language.

    Args:
        max_chars: of the text as it is sent.

    Raises:
        InvalidInput: `unsupported_text_format`, `input_too_long`, `empty_input` where nothing can be seen of it, and
            `invalid_ssml`.
    """
    if text_format not in TEXT_FORMATS:
        raise InvalidInput(
            f"The text format {text_format[:32]!r} is not known.",
            code="unsupported_text_format",
            field="text_format",
            remedy=f"Use one of {', '.join(TEXT_FORMATS)}.",
        )
    if len(text) > max_chars:
        raise InvalidInput(
            f"The text has {len(text):,} characters; at most {max_chars:,} are allowed.",
            code="input_too_long",
            field=field,
            remedy="Send it in several requests.",
        )
    if is_blank(text):
        raise InvalidInput("The text is empty.", code="empty_input", field=field, remedy="Give it some words.")
    if text_format == "ssml":
        read_ssml(text, field=field)


def segment(
    text: str,
    *,
    text_format: str = "auto",
    language: str | None = None,
    max_chars: int,
    first_chars: int = 120,
    each_sentence: bool = False,
) -> tuple[TextSegment, ...]:
    """At least one segment; every word that is spoken is in exactly one of them.

    What has no letter, no digit and no sign that has a name (`&`, `%`, `€`, `=`), a row of dashes say, is no segment:
    engines make noises of it. A text of nothing else is one segment without text. `[pause:500ms]` ends a segment and is
    not spoken, save in SSML.

    Args:
        text: as it is sent, see `check_text`.
        text_format: one of `TEXT_FORMATS`.
        language: a tag such as `de` or `pt-br`, which decides on digits, abbreviations and sentences; None is English.
        max_chars: the longest segment.
        first_chars: about the longest first segment.
        each_sentence: no two sentences share a segment.

    Raises:
        InvalidInput: `invalid_ssml`.
    """
    packer = _Packer(max_chars=max_chars, first_chars=first_chars, each_sentence=each_sentence)
    for stretch in _stretches(text, text_format, language):
        packer.add(stretch, language)
    return tuple(packer.segments) or (TextSegment("", "paragraph"),)


def _stretches(text: str, text_format: str, language: str | None) -> Iterable[Stretch]:
    if text_format == "ssml":
        return read_ssml(text, language=language)
    normal = normalise(text, language=language)
    lines = markdown_lines(normal) if text_format == "auto" else plain_lines(normal)
    blocks = join_lines(lines, language=language)
    return (stretch for block in blocks for stretch in at_pauses(block.text, block.boundary))


class _Packer:
    """Packs sentences into segments."""

    def __init__(self, *, max_chars: int, first_chars: int, each_sentence: bool) -> None:
        self.segments: list[TextSegment] = []
        self._max_chars, self._first_chars, self._each_sentence = max_chars, min(first_chars, max_chars), each_sentence

    def add(self, stretch: Stretch, language: str | None) -> None:
        before = len(self.segments)
        packed = ""
        for sentence in sentences(stretch.text, language=language):
            if packed and (self._each_sentence or len(packed) + 1 + len(sentence) > self._room()):
                self._append(packed, "sentence")
                packed = ""
            rest = self._cut_to_room(sentence)
            packed = f"{packed} {rest}" if packed else rest
        self._append(packed, stretch.boundary)
        is_end = stretch.boundary == "paragraph" and bool(self.segments)  # also one of nothing but a row of dashes
        if len(self.segments) > before or is_end:
            self.segments[-1] = replace(self.segments[-1], boundary=stretch.boundary)
        if stretch.pause_s is not None:
            self._pause(stretch.pause_s)

    def _cut_to_room(self, sentence: str) -> str:
        """Appends parts of a sentence that is too long for one segment, and returns the rest."""
        begin = 0
        while len(sentence) - begin > self._room():
            end = _cut(sentence, begin, self._room())
            self._append(sentence[begin:end].strip(), "clause")
            begin = end + (sentence[end] == " ")
        return sentence[begin:]

    def _room(self) -> int:
        return self._max_chars if self.segments else self._first_chars

    def _append(self, text: str, boundary: Boundary) -> None:
        if is_spoken(text):
            self.segments.append(TextSegment(text, boundary))

    def _pause(self, pause_s: float) -> None:
        if not self.segments:
            self.segments.append(TextSegment("", "clause"))
        last = self.segments[-1]
        self.segments[-1] = replace(last, pause_s=min((last.pause_s or 0.0) + pause_s, MAX_PAUSE_S))


def _cut(sentence: str, begin: int, room: int) -> int:
    """Where a part ends: at the last clause within `room`, else the last space, else between two whole characters."""
    clause_ends = [match.end() for match in _CLAUSE_END.finditer(sentence, begin, begin + room)]
    if clause_ends and clause_ends[-1] - begin >= room // 3:
        return clause_ends[-1]
    at = sentence.rfind(" ", begin + 1, begin + room + 1)
    if at > begin:
        return at
    at = begin + room
    while at > begin + 1 and _cling(sentence[at - 1], sentence[at]):
        at -= 1
    return begin + room if at == begin + 1 else at


def _cling(before: str, after: str) -> bool:
    """Whether two characters are parts of one: a letter and its marks, an emoji and its joiner."""
    return unicodedata.category(after)[0] == "M" or after in _JOINERS or before == "\u200d"
