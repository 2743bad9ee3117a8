"""Mixes decoded frames to one channel of 32-bit floats, even if their format changes.

A stream may change its sample rate, its channels and its sample format between frames; AAC with spectral band
replication, chained Ogg files and joined MP3 files do. PyAV's resampler would pass such frames unchanged.
"""

from __future__ import annotations

import time
from typing import Final, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from chatterbox_api_core.types import ClipLimits
from chatterbox_api_core.voices import clip_refusals
from chatterbox_api_encoders.measurement import ClipMeter, Samples

__all__ = ["MAX_RATE_HZ", "Mixer"]

MAX_RATE_HZ: Final = 48_000
"""Clips with a higher sample rate are resampled to this one."""
_BLOCK_S: Final = 0.5
_GROWTH: Final = 2**20
"""The samples by which the array grows."""
_LOUDEST: Final = 1e6
"""120 dB above full scale. Programs may write floats on another scale, but not on one that far off."""


class Mixer:
    """Collects frames; `samples` is complete after `finish`.

    Args:
        limits: the limits that `feed` enforces.
        deadline: the time of `time.monotonic` after which `check_time` raises.

    Attributes:
        sample_rate_hz, channels: those of the first frame.
        kept_hz: the sample rate of `samples`: that of the first frame, at most 48,000.
        meter: the peak and clipping before mixing.
        samples: one channel of 32-bit floats.
    """

    def __init__(self, limits: ClipLimits, *, deadline: float) -> None:
        self.sample_rate_hz = self.channels = self.kept_hz = 0
        self.meter = ClipMeter()
        self.samples: Samples = np.empty(0, np.float32)
        self._limits, self._deadline = limits, deadline
        self._kind: tuple[int, str, str] | None = None
        self._waiting: list[Samples] = []
        self._waiting_count = 0
        self._count = 0

    def feed(self, frame: AudioFrame) -> None:
        """Add a frame. Raises InvalidAudio where the clip exceeds the limits or contains no numbers."""
        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        if kind != self._kind:
            self._change(frame, kind)
        for plain in self._to_float.resample(frame):
            self._waiting.append(_floats(plain))
            self._waiting_count += plain.samples
            self._lower(plain)
        if self._waiting_count > _BLOCK_S * frame.sample_rate:
            self._measure()
            self.check_time()

    def finish(self) -> None:
        """Flush the resamplers and complete `samples`."""
        self._end_kind()
        self.samples.resize(self._count, refcheck=False)

    def check_time(self) -> None:
        """Raise InvalidAudio if the deadline has passed."""
        if time.monotonic() > self._deadline:
            raise clip_refusals.too_slow()

    def _change(self, frame: AudioFrame, kind: tuple[int, str, str]) -> None:
        clip_refusals.check_kind(frame.sample_rate, frame.layout.nb_channels, self._limits)
        self._end_kind()
        self._kind = kind
        if not self.kept_hz:
            self.sample_rate_hz, self.channels = frame.sample_rate, frame.layout.nb_channels
            self.kept_hz = min(frame.sample_rate, MAX_RATE_HZ)
        self._to_float = AudioResampler("flt", rate=frame.sample_rate)
        self._to_rate = AudioResampler("flt", rate=self.kept_hz) if frame.sample_rate != self.kept_hz else None

    def _lower(self, plain: AudioFrame | None) -> None:
        if self._to_rate is not None:
            for resampled in self._to_rate.resample(plain):
                self._keep(_floats(resampled))

    def _end_kind(self) -> None:
        if self._kind is None:
            return
        for plain in self._to_float.resample(None):
            self._waiting.append(_floats(plain))
            self._lower(plain)
        self._measure()
        self._lower(None)

    def _measure(self) -> None:
        """Measure and mix the frames that wait. Many at once, since numpy is slow on single frames."""
        if not self._waiting:
            return
        block = np.concatenate(self._waiting, axis=1)
        self._waiting.clear()
        self._waiting_count = 0
        if not np.isfinite(block).all():
            raise clip_refusals.no_numbers()
        self.meter.feed(block)
        if self.meter.peak > _LOUDEST:
            raise clip_refusals.too_loud()
        if self._to_rate is None:
            self._keep(block)

    def _keep(self, block: Samples) -> None:
        begin, self._count = self._count, self._count + block.shape[1]
        if self._count > len(self.samples):
            # In place, by realloc: joining a list of parts would take the memory twice.
            self.samples.resize(self._count + _GROWTH, refcheck=False)
        self.samples[begin : self._count] = block[0] if len(block) == 1 else block.mean(axis=0, dtype=np.float32)
        if self._count > self._limits.max_duration_s * self.kept_hz:
            raise clip_refusals.too_long(self._limits)


def _floats(frame: AudioFrame) -> Samples:
    """The samples of an interleaved frame ("flt") as an array of shape (channels, n).

    Planar frames would not do: with eight channels, which fill FFmpeg's array of pointers, PyAV takes the memory behind
    the array for a ninth plane.
    """
    return cast("Samples", frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T)
