"""What the readers of text formats hand to `segmentation`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["MAX_PAUSE_S", "NO_PAUSE", "Boundary", "Stretch", "at_pauses"]

Boundary: TypeAlias = Literal["clause", "sentence", "line", "paragraph"]

MAX_PAUSE_S: Final = 10.0
"""Of one pause that the text asks for."""

NO_PAUSE: Final = r"(?!\s*(?i:pause)\s*[:=]?\s*\d)"
"""An expression, to stand behind an opening bracket: what is in the brackets is no pause."""

_PAUSE = re.compile(r"\[\s*pause\s*[:=]?\s*(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s)\s*\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text without line breaks, the boundary it ends at, and the pause that it asks for there, in seconds."""

    text: str
    boundary: Boundary
    pause_s: float | None = None


def at_pauses(text: str, boundary: Boundary) -> Iterator[Stretch]:
    """A text cut at each `[pause:500ms]`, which is not spoken."""
    parts = _PAUSE.split(text)  # text, number, unit, text, number, unit, text
    for stretch, number, unit in zip(parts[:-1:3], parts[1::3], parts[2::3], strict=True):
        pause_s = float(number) / (1000 if unit.lower() == "ms" else 1)
        yield Stretch(stretch.strip(), "clause", min(pause_s, MAX_PAUSE_S))
    yield Stretch(parts[-1].strip(), boundary)
