"""SSML, as much of it as says what is spoken and where it pauses.

Understood are `<break>`, `<p>`, `<s>`, `<sub alias>` and `<say-as interpret-as="characters">` (also `spell-out`),
whatever prefix their names have. What describes the document (`<metadata>`, `<desc>`, `<lexicon>`) is not spoken.
Other elements are passed over: their text is spoken. Line breaks and control characters are white space. A document
type, a processing instruction and entities beyond XML's own five are refused before anything is expanded. The grammar:
https://www.w3.org/TR/speech-synthesis11/.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.text.normalisation import normalise
from chatterbox_api_core.text.stretches import MAX_PAUSE_S, Boundary, Stretch

__all__ = ["read_ssml"]

_MAX_DEPTH: Final = 100
_ROOT = "<speak>"
_HAS_ROOT = re.compile(
    r"\ufeff?\s*(?:<!--(?>.*?-->)\s*)*+<(?:(?:[A-Za-z][\w.-]{0,40}:)?speak[\s>/]|\?xml\s|!DOCTYPE\s)", re.DOTALL
)
_TIME = re.compile(r"\+?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(ms|s)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\0-\x08\v\f\x0e-\x1f\ufffe\uffff]")
"""What no XML may have; in other formats too these are white space."""
_CLOSING_MARKS: Final = frozenset(".,;:!?…)]}'\"’”»-–—%")

_PARTING: Final = frozenset(["audio", "media", "par", "seq", "speak", "token", "voice", "w"])
"""Elements whose beginning and end are those of words."""
_NOT_SPOKEN: Final = frozenset(["desc", "lexicon", "meta", "metadata"])

_STRENGTHS_S: Final = {"none": 0.0, "x-weak": 0.25, "weak": 0.5, "medium": 0.75, "strong": 1.0, "x-strong": 1.25}
"""Of the strengths the standard says no lengths. These are those of Azure, whose documents do."""


def read_ssml(text: str, *, language: str | None = None, field: str = "text") -> tuple[Stretch, ...]:
    """What a document says, in order.

    Raises:
        InvalidInput: `invalid_ssml`, with the line and the column.
    """
    return _Reader(text, language, field).read()


class _Reader:
    def __init__(self, text: str, language: str | None, field: str) -> None:
        self._language, self._field = language, field
        text = _SURROGATE.sub("", text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore"))
        text = _CONTROL.sub(" ", text)
        self._has_root = _HAS_ROOT.match(text) is not None
        self._document = text.strip() if self._has_root else f"{_ROOT}{text}</speak>"
        self._stretches: list[Stretch] = []
        self._words: list[str] = []
        self._open: list[str] = []
        self._silent_depth = 0
        """Depth of the element whose content is not spoken, a `<sub>` with an alias say; 0 outside of one."""
        self._spelled = 0
        self._parted = False  # whether what comes next is a word of its own
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.ProcessingInstructionHandler = self._refuse_instruction

    def read(self) -> tuple[Stretch, ...]:
        try:
            self._parser.Parse(self._document, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise self._invalid(reason, line=error.lineno, column=error.offset) from None
        self._flush("paragraph")
        return tuple(self._stretches)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._open.append(name)
        if len(self._open) > _MAX_DEPTH:
            raise self._invalid(f"elements are nested more than {_MAX_DEPTH} deep")
        if self._silent_depth:
            return
        if name == "break":
            self._pause(attributes)
        elif name in ("p", "s"):
            self._flush("paragraph" if name == "p" else "sentence")
        elif name in _NOT_SPOKEN:
            self._silent_depth = len(self._open)
        elif name in _PARTING:
            self._parted = True
        elif name == "sub" and "alias" in attributes:
            self._text(attributes["alias"])
            self._silent_depth = len(self._open)
        elif name == "say-as" and (self._spelled or attributes.get("interpret-as") in ("characters", "spell-out")):
            self._spelled += 1

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if self._silent_depth == len(self._open):
            self._silent_depth = 0
        self._open.pop()
        if self._silent_depth:
            return
        if name in ("p", "s"):
            self._flush("paragraph" if name == "p" else "sentence")
        elif name in _PARTING:
            self._parted = True
        elif name == "say-as" and self._spelled:
            self._spelled -= 1

    def _text(self, text: str) -> None:
        if self._silent_depth:
            return
        if self._spelled:
            text = f" {' '.join(normalise(''.join(text.split())))}"
        elif self._parted and text[0] not in _CLOSING_MARKS:
            text = f" {text}"
        self._parted = self._spelled > 0
        self._words.append(text)

    def _pause(self, attributes: dict[str, str]) -> None:
        if time := attributes.get("time", "").strip():
            match = _TIME.fullmatch(time)
            if match is None:
                raise self._invalid(f"{time[:20]!r} is no time such as 500ms or 1.5s")
            pause_s = float(match.group(1)) / (1000 if match.group(2) == "ms" else 1)
        else:
            strength = attributes.get("strength", "medium").strip()
            if strength not in _STRENGTHS_S:
                raise self._invalid(f"{strength[:20]!r} is no strength of a break, which are {', '.join(_STRENGTHS_S)}")
            pause_s = _STRENGTHS_S[strength]
        if pause_s:
            self._flush("clause", pause_s=min(pause_s, MAX_PAUSE_S))

    def _flush(self, boundary: Boundary, *, pause_s: float | None = None) -> None:
        words = " ".join(normalise("".join(self._words), language=self._language).split())
        self._words.clear()
        if words or pause_s is not None:
            self._stretches.append(Stretch(words, boundary, pause_s))
        elif self._stretches and boundary == "paragraph":  # `</s></p>`
            last = self._stretches[-1]
            self._stretches[-1] = Stretch(last.text, boundary, last.pause_s)

    def _refuse_doctype(self, *_: object) -> None:
        raise self._invalid("a document type is not allowed")

    def _refuse_instruction(self, *_: object) -> None:
        raise self._invalid("a processing instruction is not allowed")

    def _invalid(self, reason: str, *, line: int | None = None, column: int | None = None) -> InvalidInput:
        line = self._parser.CurrentLineNumber if line is None else line
        column = self._parser.CurrentColumnNumber if column is None else column
        if not self._has_root:  # the places of a root that nobody wrote are told as those beside it
            written = self._document[: -len("</speak>")].split("\n")
            column = min(column, len(written[line - 1]))
            column = max(column - len(_ROOT), 0) if line == 1 else column
        return InvalidInput(
            f"The SSML cannot be read: {reason} (line {line}, column {column + 1}).",
            code="invalid_ssml",
            field=self._field,
            remedy="Correct it, or send the text with 'text_format' plain.",
        )
