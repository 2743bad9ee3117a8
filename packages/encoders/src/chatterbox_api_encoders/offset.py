"""Removes a DC offset from a clip: a fault of sound cards that is inaudible and measures as noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from chatterbox_api_encoders.measurement import Samples

__all__ = ["without_offset"]

_SHORTEST_S: Final = 0.25
"""In a shorter clip an offset cannot be distinguished from sound."""
_BLOCK_S: Final = 0.01
_WINDOW_BLOCKS: Final = 25
_LEAST: Final = 0.02
"""Relative to the root mean square of the rest. A smaller offset is 34 dB below the sound and hides no pause."""
_ROUNDING: Final = 2.0**-20
_STRETCH: Final = 1 << 18


def without_offset(samples: Samples, *, sample_rate_hz: int) -> Samples:
    """Subtract the offset from a clip, in place. A clip with a negligible offset stays unchanged.

    The offset is a moving mean over 0.25 s and not the mean of the clip: it may begin after digital silence, or change
    where two recordings were joined. Frequencies above some 20 Hz stay unchanged.
    """
    if len(samples) < _SHORTEST_S * sample_rate_hz:
        return samples
    size = round(_BLOCK_S * sample_rate_hz)
    means = _block_means(samples, size)
    slow = _smooth(means)
    middle = float(np.mean(means))
    energy = sum(float(np.square(stretch, dtype=np.float64).sum()) for _, stretch in _stretches(samples))
    rest = float(np.sqrt(max(0.0, energy / len(samples) - middle * middle)))
    offset = max(abs(middle), float(np.median(np.abs(slow))))
    if offset <= _LEAST * rest:
        return samples
    at = (np.arange(len(slow)) + 0.5) * size - 0.5
    loudest = 0.0
    for begin, stretch in _stretches(samples):
        stretch -= np.interp(np.arange(begin, begin + len(stretch)), at, slow).astype(np.float32)
        loudest = max(loudest, float(np.abs(stretch).max()))
    if loudest <= _ROUNDING * offset:
        samples[:] = 0
    return samples


def _stretches(samples: Samples) -> Iterator[tuple[int, Samples]]:
    """Views of parts of the samples with their positions, since computing on a long clip at once takes much memory."""
    for begin in range(0, len(samples), _STRETCH):
        yield begin, samples[begin : begin + _STRETCH]


def _block_means(samples: Samples, size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(samples[: len(samples) // size * size].reshape(-1, size).mean(axis=1, dtype=np.float64))


def _smooth(means: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The mean over a window around each value; at the ends, over the part of the window that exists."""
    sums = np.concatenate(([0.0], np.cumsum(means)))
    places = np.arange(len(means))
    first = np.maximum(0, places - _WINDOW_BLOCKS // 2)
    last = np.minimum(len(means), places + _WINDOW_BLOCKS // 2 + 1)
    return np.asarray((sums[last] - sums[first]) / (last - first))
