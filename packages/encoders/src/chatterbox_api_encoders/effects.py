"""The effects before encoding: trimming of silence, tempo, loudness, another sample rate."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, TypeAlias, cast

import av
import av.filter
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from chatterbox_api_core.types import Effect, EncodeOptions

__all__ = ["EFFECTS", "Effects", "Samples", "frame_of"]

Samples: TypeAlias = npt.NDArray[np.float32]
"""32-bit floats of one channel, of shape (n,)."""

EFFECTS: Final[frozenset[Effect]] = frozenset({"tempo", "loudness", "trim", "sample_rate"})
"""The effects of every encoder of this package."""

_ATEMPO_RANGE: Final = (0.5, 2.0)
"""Within this range one atempo filter overlaps and adds. Beyond it, FFmpeg would skip samples."""
_WINDOW_S: Final = 0.01
_SILENT_DBFS: Final = -50.0
_MARGIN_S: Final = 0.05
"""The silence that is kept before and after speech, so that no first or last sound is cut."""
_NOTHING: Final[Samples] = np.zeros(0, np.float32)


class Effects:
    """A chain that takes samples at one rate and gives samples at another; mono, float32.

    Args:
        options: see `EncodeOptions`; without a sample rate the result has the input's.
        input_rate_hz: the sample rate of what is pushed.
    """

    def __init__(self, options: EncodeOptions, *, input_rate_hz: int) -> None:
        self._stages: list[_Trim | _Graph | _Rate] = []
        if options.trim:
            self._stages.append(_Trim(input_rate_hz))
        if options.tempo != 1.0:
            self._stages.append(_Graph(input_rate_hz, _atempo(options.tempo)))
        if options.loudness_lufs is not None:
            # loudnorm outputs 192 kHz, so the sample rate is converted back.
            loudnorm = ("loudnorm", f"I={options.loudness_lufs}:TP=-1.5:LRA=11")
            self._stages.append(_Graph(input_rate_hz, [loudnorm, ("aresample", str(input_rate_hz))]))
        if options.sample_rate_hz not in (None, input_rate_hz):
            self._stages.append(_Rate(input_rate_hz, options.sample_rate_hz))

    def push(self, samples: Samples) -> Samples:
        """Process samples and return those that are ready, perhaps none."""
        for stage in self._stages:
            if not len(samples):
                break
            samples = stage.push(samples)
        return samples

    def flush(self) -> Samples:
        """Return the samples that are left. It is called once, at the end."""
        rest = _NOTHING
        for stage in self._stages:
            pushed = stage.push(rest) if len(rest) else _NOTHING
            rest = np.concatenate([pushed, stage.flush()])
        return rest


def frame_of(samples: Samples, *, sample_rate_hz: int, at: int) -> AudioFrame:
    """An FFmpeg frame of samples.

    Args:
        sample_rate_hz: the sample rate.
        at: the number of samples before these.
    """
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = sample_rate_hz, at, Fraction(1, sample_rate_hz)
    return frame


class _Graph:
    """A chain of FFmpeg filters."""

    def __init__(self, sample_rate_hz: int, filters: list[tuple[str, str]]) -> None:
        graph = av.filter.Graph()
        nodes = [
            graph.add_abuffer(
                sample_rate=sample_rate_hz, format="flt", layout="mono", time_base=Fraction(1, sample_rate_hz)
            )
        ]
        nodes += [graph.add(name, options) for name, options in filters]
        nodes += [graph.add("aformat", "sample_fmts=flt:channel_layouts=mono"), graph.add("abuffersink")]
        graph.link_nodes(*nodes).configure()
        self._graph, self._rate_hz, self._fed = graph, sample_rate_hz, 0

    def push(self, samples: Samples) -> Samples:
        self._graph.push(frame_of(samples, sample_rate_hz=self._rate_hz, at=self._fed))
        self._fed += len(samples)
        return self._pulled()

    def flush(self) -> Samples:
        if not self._fed:
            return _NOTHING
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> Samples:
        out: list[Samples] = []
        while True:
            try:
                pulled = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return np.concatenate(out) if out else _NOTHING
            out.append(_samples(cast("AudioFrame", pulled)))


class _Rate:
    """Converts to another sample rate."""

    def __init__(self, sample_rate_hz: int, out_rate_hz: int) -> None:
        self._resampler = AudioResampler("flt", "mono", out_rate_hz)
        self._rate_hz, self._fed = sample_rate_hz, 0

    def push(self, samples: Samples) -> Samples:
        frame = frame_of(samples, sample_rate_hz=self._rate_hz, at=self._fed)
        self._fed += len(samples)
        return _joined(self._resampler.resample(frame))

    def flush(self) -> Samples:
        return _joined(self._resampler.resample(None)) if self._fed else _NOTHING


class _Trim:
    """Cuts silence at both ends. A pause is held back until sound follows it, so the last pause is dropped."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._window = max(1, round(_WINDOW_S * sample_rate_hz))
        self._margin = round(_MARGIN_S * sample_rate_hz)
        self._begun = False
        self._rest, self._silence = _NOTHING, _NOTHING

    def push(self, samples: Samples) -> Samples:
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // self._window * self._window
        self._rest = samples[whole:].copy()
        return self._passed(samples[:whole])

    def flush(self) -> Samples:
        last = self._passed(self._rest)
        return np.concatenate([last, self._silence[: self._margin]]) if self._begun else _NOTHING

    def _passed(self, samples: Samples) -> Samples:
        if not len(samples):
            return _NOTHING
        sounding = np.flatnonzero(self._levels(samples) > 10 ** (_SILENT_DBFS / 20))
        held = np.concatenate([self._silence, samples])
        if not len(sounding):
            self._silence = held if self._begun else held[-self._margin :].copy()
            return _NOTHING
        before = len(self._silence)
        first = before + int(sounding[0]) * self._window
        end = min(before + (int(sounding[-1]) + 1) * self._window, len(held))
        begin = 0 if self._begun else max(0, first - self._margin)
        self._begun = True
        self._silence = held[end:].copy()
        return held[begin:end]

    def _levels(self, samples: Samples) -> Samples:
        """The level of each window, the last of which may be shorter."""
        padded = np.pad(samples, (0, -len(samples) % self._window))
        levels: Samples = np.sqrt(np.mean(padded.reshape(-1, self._window) ** 2, axis=1))
        return levels


def _atempo(tempo: float) -> list[tuple[str, str]]:
    slowest, fastest = _ATEMPO_RANGE
    factors = []
    while not slowest <= tempo <= fastest:
        factors.append(fastest if tempo > fastest else slowest)
        tempo /= factors[-1]
    return [("atempo", str(factor)) for factor in (*factors, tempo)]


def _joined(frames: list[AudioFrame]) -> Samples:
    return np.concatenate([_samples(frame) for frame in frames]) if frames else _NOTHING


def _samples(frame: AudioFrame) -> Samples:
    samples: Samples = cast("Any", frame.to_ndarray()).reshape(-1)
    return samples
