"""Where a file ends before its sound does: what it promised, against what is there.

FFmpeg ends silently where a file was cut off, so the bytes have to be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FileEnd"]

_LONGEST_S: Final = 24 * 3600.0
"""Whoever promises more, or no number, does not know the length."""


@dataclass(frozen=True, slots=True)
class FileEnd:
    """What is known of the end of a file.

    Attributes:
        promised_s: seconds of sound that the header promises; 0 where it does not, or where all of it is there.
        share: of the bytes of sound that the header promises, those that are there.
        cut_off: whether the end is missing, for certain.
    """

    promised_s: float = 0.0
    share: float = 1.0
    cut_off: bool = False

    def missing_s(self, decoded_s: float) -> float:
        """Seconds that are missing where so many were decoded."""
        whole_s = decoded_s / self.share if 0 < self.share < 1 else self.promised_s
        return whole_s - decoded_s if decoded_s < whole_s <= _LONGEST_S else 0.0
