"""From a text to the pieces an engine speaks. Pure functions, linear in the text's length.

The first piece is short, so that sound comes early; the others are as long as the engine takes,
because an engine phrases whole sentences better than halves.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chatterbox_api_core.errors import InvalidInput

__all__ = ["MAX_PAUSE_S", "Boundary", "Piece", "clean", "split"]

Boundary: TypeAlias = Literal["clause", "sentence", "paragraph"]

MAX_PAUSE_S: Final = 10.0
"""Of one pause that the text asks for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, the boundary it ends at, and the pause that the text asks for there.

    The text is empty only at the beginning, where a pause comes before all words.
    """

    text: str
    ends: Boundary
    pause_s: float | None = None


_LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c-\x1f\x85\u2028]")
_PAUSE = re.compile(r"\[\s*pause\s*[:=]?\s*(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s)\s*\]", re.IGNORECASE)
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE_END = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]]*+(?=\s)  # Latin and others: the mark, closing quotes, then white space
      | [。！？｡]++[”’」』）]*+                   # Chinese and Japanese write no space
      | (?<![।॥؟۔።])[।॥؟۔።]++(?=\s|$)         # Hindi, Arabic, Urdu, Amharic
    """,
    re.VERBOSE,
)
_CLAUSE_END = re.compile(r"[,;:،؛](?=\s)|[、，；：]|\s[–—-](?=\s)")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:\w|[Mm]rs?|[Mm]s|[Dd]r|[Pp]rof|[Ss]t|vs|etc|[Nn]o|bzw|ca)\.$")
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_JOINERS: Final = "\u200d\ufe0f"


def clean(text: str, *, field: str = "input", max_chars: int) -> str:
    """The text without characters that cannot be spoken, or InvalidInput.

    Raises:
        InvalidInput: `empty_input` when no letter or digit is left, `input_too_long` over `max_chars`.
    """
    if len(text) > max_chars:
        raise InvalidInput(
            f"The text has {len(text):,} characters; at most {max_chars:,} are allowed.",
            code="input_too_long",
            field=field,
            remedy="Send it in several requests.",
        )
    text = _LINE_BREAK.sub("\n", text.replace("\u2029", "\n\n"))
    text = "".join(char for char in text if _is_speakable(char)).strip()
    if not _has_words(_PAUSE.sub("", text)):
        raise InvalidInput(
            "There is nothing to say: the text has no letter and no digit.",
            code="empty_input",
            field=field,
            remedy="Give it some words.",
        )
    return text


def split(text: str, *, max_chars: int, first_chars: int = 120, each_sentence: bool = False) -> tuple[Piece, ...]:
    """Pieces of at most `max_chars`, the first of about `first_chars`; every word is in exactly one of them.

    What has no letter and no digit, a row of dashes say, is no piece: engines make noises of it. `[pause:500ms]` ends
    a piece, and is not spoken.

    Args:
        each_sentence: no two sentences share a piece.
    """
    stretches = _PAUSE.split(text)  # text, number, unit, text, number, unit, text
    pieces: list[Piece] = []
    for stretch, number, unit in zip(stretches[::3], [*stretches[1::3], ""], [*stretches[2::3], ""], strict=True):
        room = max_chars if pieces else first_chars
        pieces += _pieces(stretch, max_chars=max_chars, first_chars=room, each_sentence=each_sentence)
        if number:
            last = pieces.pop() if pieces else Piece("", "clause")
            asked_s = float(number) / (1000 if unit.lower() == "ms" else 1)
            pause_s = min((last.pause_s or 0.0) + asked_s, MAX_PAUSE_S)
            pieces.append(Piece(last.text, last.ends, pause_s))
    return tuple(pieces)


def _pieces(text: str, *, max_chars: int, first_chars: int, each_sentence: bool) -> list[Piece]:
    pieces: list[Piece] = []

    def add(text: str, ends: Boundary) -> None:
        if _has_words(text):
            pieces.append(Piece(text, ends))

    for paragraph in _PARAGRAPH.split(text.strip()):
        packed = ""
        for sentence in _sentences(" ".join(paragraph.split())):
            room = min(first_chars, max_chars) if not pieces else max_chars
            if packed and (each_sentence or len(packed) + 1 + len(sentence) > room):
                add(packed, "sentence")
                packed, room = "", max_chars
            while len(sentence) > room:
                head, sentence = _cut(sentence, room)
                add(head, "clause")
                room = max_chars
            packed = f"{packed} {sentence}".strip()
        if packed:
            add(packed, "sentence")
        if pieces:
            pieces[-1] = Piece(pieces[-1].text, "paragraph")
    return pieces


def _sentences(paragraph: str) -> list[str]:
    sentences, begin = [], 0
    for match in _SENTENCE_END.finditer(paragraph):
        end = match.end()
        following = paragraph[end : end + 2].strip()
        if following[:1].islower() or _ABBREVIATION.search(paragraph, max(begin, end - 8), end):
            continue
        sentences.append(paragraph[begin:end].strip())
        begin = end
    sentences.append(paragraph[begin:].strip())
    return [sentence for sentence in sentences if sentence]


def _cut(sentence: str, room: int) -> tuple[str, str]:
    """Cut at the last clause within `room`, else at the last space, else between two whole characters."""
    clause_ends = [match.end() for match in _CLAUSE_END.finditer(sentence, 0, room)]
    at = clause_ends[-1] if clause_ends and clause_ends[-1] >= room // 3 else sentence.rfind(" ", 1, room + 1)
    if at <= 0:
        at = room
        while at > 1 and _cling(sentence[at - 1], sentence[at]):
            at -= 1
        if at == 1:
            at = room
    return sentence[:at].strip(), sentence[at:].strip()


def _cling(before: str, after: str) -> bool:
    """Whether two characters are parts of one: a letter and its marks, an emoji and its joiner."""
    return unicodedata.category(after)[0] == "M" or after in _JOINERS or before == "\u200d"


def _has_words(text: str) -> bool:
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def _is_speakable(char: str) -> bool:
    if char in "\n\t":
        return True
    return char not in _BIDI_CONTROLS and unicodedata.category(char) not in ("Cc", "Cs", "Co")


TEXT_FORMATS = ("auto", "plain", "ssml")


def check_text(text: str, *, max_chars: int, text_format: str = "auto") -> None:
    if not text.strip():
        raise InvalidInput("The text is empty.", code="empty_input", field="input", remedy="Give it some words.")
    if len(text) > max_chars:
        clean(text, max_chars=max_chars)


def segment(
    text: str,
    *,
    text_format: str = "auto",
    language: str | None = None,
    max_chars: int,
    first_chars: int = 120,
    each_sentence: bool = False,
) -> tuple[Piece, ...]:
    cleaned = "".join(char for char in _LINE_BREAK.sub("\n", text) if _is_speakable(char)).strip()
    return split(cleaned, max_chars=max_chars, first_chars=first_chars, each_sentence=each_sentence) or (
        Piece("", "paragraph"),
    )
