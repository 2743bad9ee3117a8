"""From decoded frames to one channel of 32-bit floats, whatever changes on the way.

A stream may change its rate, its channels and its sample format from one frame to the next; AAC with spectral band
replication, chained Ogg files and joined MP3 files do. PyAV's resampler would pass such frames on as they are.
"""

from __future__ import annotations

import time
from typing import Final, cast

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from chatterbox_api_core.types import ClipLimits
from chatterbox_api_core.voices import clip_refusals
from chatterbox_api_encoders.listening import ClipMeter, Samples

__all__ = ["MAX_RATE_HZ", "Mixer"]

MAX_RATE_HZ: Final = 48_000
_BLOCK_S: Final = 0.5
_GROWTH: Final = 2**20
"""Samples for which room is made at once."""
_LOUDEST: Final = 1e6
"""120 dB above full scale: programs that write floats may be careless of their scale, but not that careless."""


class Mixer:
    """Takes frames in; `samples` is there once it is finished.

    Attributes:
        sample_rate_hz, channels: of the first frame.
        kept_hz: rate of `samples`, that of the first frame or 48 kHz.
        meter: what was measured before mixing.
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
        """Take a frame in. InvalidAudio when it goes beyond the limits."""
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
        """Let out what is still inside, and put `samples` together."""
        self._end_kind()
        self.samples.resize(self._count, refcheck=False)

    def check_time(self) -> None:
        """Raise InvalidAudio when the deadline has passed."""
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
        """Work on many frames at once: a frame alone is too little for numpy."""
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
            # In place, by the system's realloc: a list of parts would take as much again when it is joined.
            self.samples.resize(self._count + _GROWTH, refcheck=False)
        self.samples[begin : self._count] = block[0] if len(block) == 1 else block.mean(axis=0, dtype=np.float32)
        if self._count > self._limits.max_duration_s * self.kept_hz:
            raise clip_refusals.too_long(self._limits)


def _floats(frame: AudioFrame) -> Samples:
    """One row per channel of a frame of "flt", whose samples are interleaved.

    Of planar frames PyAV looks for as many planes as there are pointers in a row, and of eight channels, which fill
    FFmpeg's array of them, it takes what lies behind it for a ninth.
    """
    return cast("Samples", frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T)
