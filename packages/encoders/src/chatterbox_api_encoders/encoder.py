"""The Encoder on PyAV, that is FFmpeg's codecs, muxers and filters: everything but Vorbis.

Of a complete body the muxer sees a sink that can seek, so it goes back and fills in true sizes. Of a stream it sees
one that cannot, so it leaves the placeholders that its format has for that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from chatterbox_api_core.formats import AAC, FLAC, M4A, MP3, OPUS, PCM, WAV, WAV_24, WAV_FLOAT, WEBM, rate_for
from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.types import AudioFormat, Effect, Pcm
from chatterbox_api_encoders.effects import EFFECTS, Effects, Samples, frame_of
from chatterbox_api_encoders.samples import finite

__all__ = ["BitRates", "PyavEncoder"]


@dataclass(frozen=True, slots=True)
class BitRates:
    """Of the lossy formats, in kbit/s, for one channel of speech."""

    mp3: int = 128
    opus: int = 64
    aac: int = 128


@dataclass(frozen=True, slots=True)
class _Row:
    """How FFmpeg makes a format.

    Attributes:
        lossy: the name in BitRates.
        streamed: the muxer's options for a body that is sent as it is made.
        codec_options: the codec's.
    """

    muxer: str
    codec: str
    sample_format: str
    frame_size: int | None = None
    lossy: str = ""
    streamed: Mapping[str, str] = field(default_factory=dict)
    codec_options: Mapping[str, str] = field(default_factory=dict)


# Pages and clusters of a tenth of a second, so that sound leaves soon after it is made.
_OGG_PAGES: Final = {"page_duration": "100000"}
_WEBM_CLUSTERS: Final = {"live": "1", "cluster_time_limit": "100"}
_MP4_FRAGMENTS: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "100000"}
_ROWS: Final[Mapping[str, _Row]] = {
    WAV.name: _Row("wav", "pcm_s16le", "s16"),
    WAV_24.name: _Row("wav", "pcm_s24le", "s32"),
    WAV_FLOAT.name: _Row("wav", "pcm_f32le", "flt"),
    MP3.name: _Row("mp3", "libmp3lame", "fltp", 1152, "mp3"),
    FLAC.name: _Row("flac", "flac", "s16", 4096),
    OPUS.name: _Row("ogg", "libopus", "flt", 960, "opus", _OGG_PAGES, {"application": "audio"}),
    AAC.name: _Row("adts", "aac", "fltp", 1024, "aac"),
    PCM.name: _Row("s16le", "pcm_s16le", "s16"),
    M4A.name: _Row("ipod", "aac", "fltp", 1024, "aac", _MP4_FRAGMENTS),
    WEBM.name: _Row("webm", "libopus", "flt", 960, "opus", _WEBM_CLUSTERS, {"application": "audio"}),
}


class PyavEncoder:
    """An Encoder of every format but Ogg Vorbis."""

    formats: tuple[AudioFormat, ...] = (WAV, MP3, FLAC, OPUS, AAC, PCM, M4A, WEBM, WAV_24, WAV_FLOAT)
    effects: frozenset[Effect] = EFFECTS

    def __init__(self, bit_rates: BitRates | None = None) -> None:
        self._bit_rates = bit_rates or BitRates()

    def open(
        self,
        audio_format: AudioFormat,
        sink: ByteSink,
        *,
        sample_rate_hz: int,
        complete: bool,
        tempo: float = 1.0,
        loudness_lufs: float | None = None,
        trim: bool = False,
        out_rate_hz: int | None = None,
    ) -> PyavEncoding:
        row, out_hz = _ROWS[audio_format.name], out_rate_hz or rate_for(audio_format, sample_rate_hz=sample_rate_hz)
        return PyavEncoding(
            row,
            sink,
            Effects(
                sample_rate_hz=sample_rate_hz, out_rate_hz=out_hz, tempo=tempo, loudness_lufs=loudness_lufs, trim=trim
            ),
            sample_rate_hz=out_hz,
            bit_rate=1000 * getattr(self._bit_rates, row.lossy) if row.lossy else None,
            complete=complete,
        )


class PyavEncoding:
    """A StreamEncoder: samples -> effects -> sample format -> codec -> muxer -> bytes."""

    def __init__(
        self, row: _Row, sink: ByteSink, effects: Effects, *, sample_rate_hz: int, bit_rate: int | None, complete: bool
    ) -> None:
        self._effects, self._rate_hz, self._encoded = effects, sample_rate_hz, 0
        options = {"fflags": "bitexact"} | ({} if complete else {"flush_packets": "1", **row.streamed})
        target = sink if complete else _WriteOnly(sink)
        self._container = av.open(cast("Any", target), "w", format=row.muxer, options=options)
        stream = self._container.add_stream(
            row.codec, rate=sample_rate_hz, layout="mono", options=dict(row.codec_options)
        )
        self._stream = cast("AudioStream", stream)
        if bit_rate is not None:
            self._stream.bit_rate = bit_rate
        frame_size = (
            row.frame_size and row.frame_size * sample_rate_hz // 48_000 if row.codec == "libopus" else row.frame_size
        )
        self._resampler = AudioResampler(row.sample_format, "mono", sample_rate_hz, frame_size)

    def feed(self, pcm: Pcm) -> None:
        if len(pcm):
            self._encode(self._effects.push(finite(pcm)))

    def finish(self) -> None:
        self._encode(self._effects.finish())
        if self._encoded:
            for frame in self._resampler.resample(None):
                self._container.mux(self._stream.encode(frame))
        else:
            self._container.start_encoding()
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def __del__(self) -> None:
        # A container and its streams know each other: left open, both would wait for Python's collector.
        with contextlib.suppress(Exception):
            self._container.close()

    def _encode(self, samples: Samples) -> None:
        if not len(samples):
            return
        frame = frame_of(np.ascontiguousarray(samples), sample_rate_hz=self._rate_hz, at=self._encoded)
        self._encoded += len(samples)
        for converted in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(converted))


class _WriteOnly:
    """A sink that cannot seek, as FFmpeg sees it: by the methods it has."""

    def __init__(self, sink: ByteSink) -> None:
        self.write = sink.write
