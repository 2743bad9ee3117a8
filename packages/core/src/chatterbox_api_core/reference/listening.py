"""What the sound of a clip is like, measured without dependencies: levels, clipping, noise, speech."""

from __future__ import annotations

import math
from array import array
from itertools import groupby
from operator import mul
from typing import Final, TypedDict

__all__ = ["Heard", "listen", "offset_of"]

_FULL_SCALE: Final = 1 - 1.5 / 32768
_RUN: Final = 3
_SILENCE_DBFS: Final = -100.0
_FRAME_S: Final = 0.02
_ABOVE_NOISE_DB: Final = 6.0
_BELOW_LOUDEST_DB: Final = 40.0
_SHORTEST_S: Final = 0.25
_LEAST_OFFSET: Final = 0.02
"""Of the root mean square of the rest; less hides no pause."""


class Heard(TypedDict):
    """Fields of the same names as in ClipReport."""

    level_dbfs: float
    peak_dbfs: float
    clipped: int
    noise_dbfs: float
    speech_share: float


def offset_of(mono: array[float], *, sample_rate_hz: int) -> float:
    """The constant around which the sound swings instead of zero; 0 where that is little, or cannot be told."""
    if len(mono) < _SHORTEST_S * sample_rate_hz:
        return 0.0
    mean = sum(mono) / len(mono)
    rest = math.sqrt(max(0.0, sum(map(mul, mono, mono)) / len(mono) - mean * mean))
    return mean if abs(mean) > _LEAST_OFFSET * rest else 0.0


def listen(mono: array[float], *, sample_rate_hz: int, offset: float = 0.0) -> Heard:
    """What a mono clip of one sample or more is like. Every sample counts: about 50 ns each.

    Peak and clipping are those of the samples as they are, the rest is measured without the offset.
    """
    size = min(len(mono), round(_FRAME_S * sample_rate_hz))
    powers: list[float] = []
    clipped, run_before = 0, 0
    for begin in range(0, len(mono), size):
        frame = mono[begin : begin + size]
        if len(frame) == size:
            power = sum(map(mul, frame, frame)) / size
            powers.append(power - offset * (2 * sum(frame) / size - offset) if offset else power)
        places, run_before = _clipped(frame, run_before)
        clipped += places
    levels = [_decibels(power) for power in powers]
    in_order = sorted(levels)
    noise, loud = (in_order[round(share * (len(in_order) - 1))] for share in (0.05, 0.95))
    limit = max(noise + _ABOVE_NOISE_DB, loud - _BELOW_LOUDEST_DB)
    speech = [power for power, level in zip(powers, levels, strict=True) if level > limit]
    chosen = speech or powers
    peak = max(max(mono), -min(mono))
    return Heard(
        level_dbfs=round(_decibels(sum(chosen) / len(chosen)), 1),
        peak_dbfs=round(_decibels(peak * peak), 1),
        clipped=clipped,
        noise_dbfs=round(noise, 1),
        speech_share=round(len(speech) / len(powers), 3),
    )


def _clipped(frame: array[float], run_before: int) -> tuple[int, int]:
    """(places that begin to count here, samples at full scale in a row at the end)."""
    if max(frame) < _FULL_SCALE and min(frame) > -_FULL_SCALE:
        return 0, 0
    places, run = 0, run_before
    for full, samples in groupby(frame, lambda value: abs(value) >= _FULL_SCALE):
        before, run = run, run + sum(1 for _ in samples) if full else 0
        places += before < _RUN <= run
    return places, run


def _decibels(power: float) -> float:
    return max(_SILENCE_DBFS, 10 * math.log10(max(power, 1e-18)))
