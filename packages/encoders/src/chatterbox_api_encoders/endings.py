"""Whether a file ends before its sound does: the length that its header declares, against the bytes that it has.

FFmpeg does not report that a file was cut off, so this package compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FileEnd"]

_LONGEST_S: Final = 24 * 3600.0
"""A file that declares more, or no number, does not know its length."""


@dataclass(frozen=True, slots=True)
class FileEnd:
    """What the bytes of a file tell about its end.

    Attributes:
        declared_s: the duration that the header declares; 0 where it declares none, or where all of it is present.
        share: the part of the declared bytes of sound that is present, from 0 to 1.
        cut_off: whether the end is certainly missing.
    """

    declared_s: float = 0.0
    share: float = 1.0
    cut_off: bool = False

    def missing_s(self, decoded_s: float) -> float:
        """The seconds that are missing, for a decoded duration; 0 where nothing tells."""
        whole_s = decoded_s / self.share if 0 < self.share < 1 else self.declared_s
        return whole_s - decoded_s if decoded_s < whole_s <= _LONGEST_S else 0.0
