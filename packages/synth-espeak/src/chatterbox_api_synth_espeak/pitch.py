"""The voice variant and the pitch setting of espeak-ng that come nearest to a pitch.

The tables are measurements: Praat's median pitch of one English sentence in «en-us» and in its variant «f2», at pitch
settings from 0 to 99. Other languages differ by a few per cent.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

__all__ = ["REACH_HZ", "nearest"]

_MALE: Final = (
    (0, 65.3),
    (9, 69.6),
    (18, 73.7),
    (27, 80.5),
    (36, 86.6),
    (45, 94.7),
    (54, 103.8),
    (63, 113.1),
    (72, 125.2),
    (81, 138.1),
    (90, 152.5),
    (99, 168.2),
)
_FEMALE: Final = (
    (0, 125.0),
    (9, 135.1),
    (18, 144.4),
    (27, 155.9),
    (36, 167.3),
    (45, 183.2),
    (54, 199.3),
    (63, 217.4),
    (72, 239.7),
    (81, 262.7),
    (90, 290.3),
    (99, 320.4),
)
_FEMALE_FROM_HZ: Final = 150.0
"""Both variants reach pitches around this one; above it the female variant sounds more natural."""

REACH_HZ: Final = (_MALE[0][1], _FEMALE[-1][1])
"""The lowest and the highest median pitch that espeak-ng reaches."""


def nearest(hz: float | None) -> tuple[str, int]:
    """The suffix of the voice variant and the pitch setting for a median pitch; None means espeak-ng's default."""
    if hz is None:
        return "", 50
    if hz < _FEMALE_FROM_HZ:
        return "", _setting(_MALE, hz)
    return "+f2", _setting(_FEMALE, hz)


def _setting(table: tuple[tuple[int, float], ...], hz: float) -> int:
    above = bisect_left([reached for _, reached in table], hz)
    if above == 0:
        return table[0][0]
    if above == len(table):
        return table[-1][0]
    (low, low_hz), (high, high_hz) = table[above - 1], table[above]
    return round(low + (high - low) * (hz - low_hz) / (high_hz - low_hz))
