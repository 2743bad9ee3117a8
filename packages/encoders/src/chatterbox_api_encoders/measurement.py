"""Measures the sound of a clip: levels, clipping, noise, speech, bandwidth. The time is linear in the samples.

The thresholds are relative to the clip, so that a quiet recording of good speech counts as quiet and not as silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = ["ClipMeasurement", "ClipMeter", "Samples", "measure_clip"]

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

_FULL_SCALE: Final = 1 - 1.5 / 32768
"""The highest and the lowest 16-bit sample reach it, and so do samples that a lossy format decodes beyond."""
_RUN: Final = 3
_SILENCE_DBFS: Final = -100.0
_FRAME_S: Final = 0.02
_ABOVE_NOISE_DB: Final = 6.0
"""Steady noise stays within 1 dB of its mean in frames of 20 ms; a real room within three or four."""
_BELOW_LOUDEST_DB: Final = 40.0
"""Where pauses are digital silence, this threshold separates speech from its decay."""
_BAND_HZ: Final = 250
_BELOW_STRONGEST_DB: Final = 50.0
"""Averaged speech falls by 30 to 40 dB up to 5 kHz; a telephone's filter cuts more than that at 3.4 kHz."""
_MAX_SPECTRA: Final = 500


class ClipMeter:
    """Measures peak and clipping. It gets the samples as decoded.

    Mixing channels, resampling and removing an offset would hide both.

    Attributes:
        peak: the largest absolute value in any channel.
        clipped: the number of places with three or more successive samples at full scale.
        moved: whether any channel is not constant.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self.clipped = 0
        self.moved = False
        self._tail: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    def feed(self, block: Samples) -> None:
        """Measure the next samples, an array of shape (channels, n). A place that spans two blocks counts once."""
        peak = float(np.abs(block).max(initial=0.0))
        self.peak = max(self.peak, peak)
        self.moved = self.moved or bool((block.max(axis=1) > block.min(axis=1)).any())
        known = self._tail is not None and len(self._tail) == len(block)
        tail = self._tail if known and self._tail is not None else np.zeros((len(block), _RUN), np.bool_)
        if peak < _FULL_SCALE:
            self._tail = None
            return
        full = np.concatenate((tail, np.abs(block) >= _FULL_SCALE), axis=1)
        begun = full[:, 3:] & full[:, 2:-1] & full[:, 1:-2] & ~full[:, :-3]
        self.clipped += int(begun.any(axis=0).sum())
        self._tail = full[:, -_RUN:]

    @property
    def peak_dbfs(self) -> float:
        """`peak` in dB relative to full scale, at least -100."""
        return _dbfs(self.peak)


@dataclass(frozen=True, slots=True)
class ClipMeasurement:
    """The measured fields of ClipReport, under the same names."""

    level_dbfs: float
    noise_dbfs: float
    speech_share: float
    bandwidth_hz: int


def measure_clip(samples: Samples, *, sample_rate_hz: int) -> ClipMeasurement:
    """Measure a clip of one channel with at least one sample."""
    size = min(len(samples), round(_FRAME_S * sample_rate_hz))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.einsum("ij,ij->i", frames, frames) / size
    levels = 10 * np.log10(np.maximum(power, 10 ** (_SILENCE_DBFS / 10)))
    noise, loud = (float(value) for value in np.percentile(levels, (5, 95)))
    speech = levels > max(noise + _ABOVE_NOISE_DB, loud - _BELOW_LOUDEST_DB)
    level = float(np.sqrt(power[speech].mean() if speech.any() else power.mean()))
    return ClipMeasurement(
        level_dbfs=_dbfs(level),
        noise_dbfs=round(noise, 1),
        speech_share=round(float(speech.mean()), 3),
        bandwidth_hz=_bandwidth_hz(samples, np.flatnonzero(speech) * size, sample_rate_hz),
    )


def _bandwidth_hz(samples: Samples, begins: np.ndarray[Any, np.dtype[np.int64]], sample_rate_hz: int) -> int:
    """The upper end of the highest band within 50 dB of the strongest, over the frames that begin at `begins`."""
    size = 1024 if sample_rate_hz <= 24_000 else 2048
    begins = begins[begins + size <= len(samples)]
    begins = begins[:: 1 + len(begins) // _MAX_SPECTRA]
    if not len(begins):
        return sample_rate_hz // 2
    blocks = samples[begins[:, None] + np.arange(size)] * np.hanning(size).astype(np.float32)
    power = (np.abs(np.fft.rfft(blocks)) ** 2).mean(axis=0)
    edges = np.arange(0, sample_rate_hz / 2, _BAND_HZ)
    bands = np.add.reduceat(power, np.searchsorted(np.fft.rfftfreq(size, 1 / sample_rate_hz), edges))
    top = int(np.flatnonzero(bands >= bands.max() * 10 ** (-_BELOW_STRONGEST_DB / 10))[-1])
    return min(sample_rate_hz // 2, (top + 1) * _BAND_HZ)


def _dbfs(amplitude: float) -> float:
    return round(max(_SILENCE_DBFS, 20 * float(np.log10(max(amplitude, 1e-9)))), 1)
