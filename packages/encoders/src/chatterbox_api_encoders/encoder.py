"""The Encoder: PyAV, that is FFmpeg's codecs, muxers and filters.

A complete body is written to a buffer that can seek, so the muxer goes back and fills in true sizes. A stream
is written to a sink that cannot, so each muxer leaves the placeholders that its format has for that.
"""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import Final, cast

import av
import av.filter
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from chatterbox_api_core.formats import MP3, WAV
from chatterbox_api_core.model import AudioFormat, Effect, Pcm

__all__ = ["PyavEncoder"]

_CODECS: Final = {
    # name: (muxer, codec, sample format, samples per frame, bit rate)
    WAV.name: ("wav", "pcm_s16le", "s16", None, None),
    MP3.name: ("mp3", "libmp3lame", "s16p", 1152, 128_000),
}
_ATEMPO_RANGE: Final = (0.5, 2.0)
"""Within it one atempo filter only overlaps and adds; beyond it FFmpeg would skip samples."""


class PyavEncoder:
    """An Encoder of WAV and MP3."""

    formats: tuple[AudioFormat, ...] = (WAV, MP3)
    effects: frozenset[Effect] = frozenset({"tempo", "out_rate"})

    def open(
        self,
        audio_format: AudioFormat,
        *,
        rate_hz: int,
        complete: bool,
        tempo: float = 1.0,
        loudness_lufs: float | None = None,
        trim: bool = False,
        out_rate_hz: int | None = None,
    ) -> PyavEncoding:
        if loudness_lufs is not None or trim:
            raise ValueError(f"this encoder's effects are {', '.join(sorted(self.effects))}")
        return PyavEncoding(
            audio_format, rate_hz=rate_hz, complete=complete, tempo=tempo, out_rate_hz=out_rate_hz or rate_hz
        )


class PyavEncoding:
    """An Encoding: samples -> tempo -> rate and sample format -> codec -> muxer -> bytes."""

    def __init__(
        self, audio_format: AudioFormat, *, rate_hz: int, complete: bool, tempo: float, out_rate_hz: int
    ) -> None:
        muxer, codec, sample_format, frame_size, bit_rate = _CODECS[audio_format.name]
        self._sink: BytesIO | _Outlet = BytesIO() if complete else _Outlet()
        self._container = av.open(self._sink, "w", format=muxer)
        self._stream = cast("AudioStream", self._container.add_stream(codec, rate=out_rate_hz, layout="mono"))
        if bit_rate is not None:
            self._stream.bit_rate = bit_rate
        self._resampler = AudioResampler(sample_format, "mono", out_rate_hz, frame_size)
        self._tempo = None if tempo == 1.0 else _Tempo(tempo, rate_hz)
        self._rate_hz = rate_hz
        self._fed = 0

    def feed(self, pcm: Pcm) -> bytes:
        if not len(pcm):
            return b""
        samples = np.nan_to_num(np.asarray(pcm.samples), nan=0.0, posinf=1.0, neginf=-1.0)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate_hz, self._fed, Fraction(1, self._rate_hz)
        self._fed += len(pcm)
        for stretched in [frame] if self._tempo is None else self._tempo.push(frame):
            self._encode(stretched)
        return self._due()

    def finish(self) -> bytes:
        if self._tempo is not None and self._fed:
            for stretched in self._tempo.push(None):
                self._encode(stretched)
        if self._fed:
            self._encode(None)
        else:
            self._container.start_encoding()
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.getvalue() if isinstance(self._sink, BytesIO) else self._sink.take()

    def _encode(self, frame: AudioFrame | None) -> None:
        for converted in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(converted))

    def _due(self) -> bytes:
        return b"" if isinstance(self._sink, BytesIO) else self._sink.take()


class _Outlet:
    """A sink that cannot seek: what is written waits until it is taken."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._held)
        self._held.clear()
        return data


class _Tempo:
    """FFmpeg's atempo, several in a row where one does not reach."""

    def __init__(self, tempo: float, rate_hz: int) -> None:
        slowest, fastest = _ATEMPO_RANGE
        factors = []
        while not slowest <= tempo <= fastest:
            factors.append(fastest if tempo > fastest else slowest)
            tempo /= factors[-1]
        graph = av.filter.Graph()
        nodes = [graph.add_abuffer(sample_rate=rate_hz, format="flt", layout="mono", time_base=Fraction(1, rate_hz))]
        nodes += [graph.add("atempo", str(factor)) for factor in (*factors, tempo)]
        nodes += [graph.add("aformat", "sample_fmts=flt"), graph.add("abuffersink")]
        graph.link_nodes(*nodes).configure()
        self._graph = graph

    def push(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """Feed a frame, or None at the end, and take what comes out."""
        self._graph.push(frame)
        out: list[AudioFrame] = []
        while True:
            try:
                pulled = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return out
            assert isinstance(pulled, AudioFrame)  # noqa: S101 — the graph has no video
            out.append(pulled)
