"""The Encoder on PyAV, which brings FFmpeg's codecs, muxers and filters: every format but Ogg Vorbis.

For a complete body the muxer gets a sink that can seek, so that it fills in true sizes at the end. For a stream it gets
a sink that cannot, so that it writes the placeholders that its format has for unknown sizes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from chatterbox_api_core.formats import AAC, FLAC, M4A, MP3, OPUS, PCM, WAV, WAV_24, WAV_FLOAT, WEBM, rate_for
from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.types import AudioFormat, Effect, EncodeOptions, Pcm
from chatterbox_api_encoders.effects import EFFECTS, Effects, Samples, frame_of
from chatterbox_api_encoders.samples import finite
from chatterbox_api_encoders.sinks import StreamSink
from chatterbox_api_encoders.uncompressed import UNCOMPRESSED, UncompressedStreamEncoder

__all__ = ["BitRates", "PyavEncoder"]


@dataclass(frozen=True, slots=True)
class BitRates:
    """The bit rates of the lossy formats, in kbit/s, for one channel.

    Attributes:
        mp3: of mp3.
        opus: of opus and webm.
        aac: of aac and m4a.
    """

    mp3: int = 128
    opus: int = 64
    aac: int = 128


@dataclass(frozen=True, slots=True)
class _Row:
    """How FFmpeg encodes a format.

    Attributes:
        sample_format: of the samples that the codec takes.
        frame_size: samples of a frame of the codec; for Opus at 48 kHz.
        lossy: the field of BitRates; empty for a lossless format.
        streamed: options of the muxer for a body that is sent while it is encoded.
        codec_options: options of the codec.
    """

    muxer: str
    codec: str
    sample_format: str
    frame_size: int | None = None
    lossy: str = ""
    streamed: Mapping[str, str] = field(default_factory=dict)
    codec_options: Mapping[str, str] = field(default_factory=dict)


# Short pages, clusters and fragments, so that each piece of sound is sent soon. A page takes 30 bytes, a fragment 150.
_OGG_PAGES: Final = {"page_duration": "40000"}
# Clients join streamed bodies: a tag, or the Info frame that counts the frames of one body, would lie amid the sound.
_BARE_MP3: Final = {"write_xing": "0", "id3v2_version": "0"}
_WEBM_CLUSTERS: Final = {"live": "1", "cluster_time_limit": "100"}
# The header waits for the first fragment, by when the encoder's delay is known and can stand in it.
_MP4_FRAGMENTS: Final = {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "100000"}
_ROWS: Final[Mapping[str, _Row]] = {
    MP3.name: _Row("mp3", "libmp3lame", "fltp", 1152, "mp3", _BARE_MP3),
    FLAC.name: _Row("flac", "flac", "s16", 4096),
    OPUS.name: _Row("ogg", "libopus", "flt", 960, "opus", _OGG_PAGES, {"application": "audio"}),
    AAC.name: _Row("adts", "aac", "fltp", 1024, "aac"),
    M4A.name: _Row("ipod", "aac", "fltp", 1024, "aac", _MP4_FRAGMENTS),
    WEBM.name: _Row("webm", "libopus", "flt", 960, "opus", _WEBM_CLUSTERS, {"application": "audio"}),
}


class PyavEncoder:
    """An Encoder of every format but Ogg Vorbis.

        encoder = PyavEncoder(BitRates(mp3=192))
        encoding = encoder.open(MP3, sink, input_rate_hz=24_000, streaming=False, options=EncodeOptions())
        encoding.encode(pcm)
        encoding.flush()

    Args:
        bit_rates: None means the defaults.
    """

    formats: tuple[AudioFormat, ...] = (WAV, MP3, FLAC, OPUS, AAC, PCM, M4A, WEBM, WAV_24, WAV_FLOAT)
    effects: frozenset[Effect] = EFFECTS
    inline_formats: frozenset[str] = frozenset(UNCOMPRESSED)

    def __init__(self, bit_rates: BitRates | None = None) -> None:
        self._bit_rates = bit_rates or BitRates()

    def open(
        self,
        audio_format: AudioFormat,
        sink: ByteSink,
        *,
        input_rate_hz: int,
        streaming: bool,
        options: EncodeOptions,
    ) -> PyavStreamEncoder | UncompressedStreamEncoder:
        name = audio_format.name
        rate_hz = options.sample_rate_hz or rate_for(audio_format, input_rate_hz=input_rate_hz)
        effects = Effects(replace(options, sample_rate_hz=rate_hz), input_rate_hz=input_rate_hz)
        if name in UNCOMPRESSED:
            return UncompressedStreamEncoder(name, sink, effects, sample_rate_hz=rate_hz, streaming=streaming)
        row = _ROWS[name]
        return PyavStreamEncoder(
            row,
            sink,
            effects,
            sample_rate_hz=rate_hz,
            bit_rate=1000 * getattr(self._bit_rates, row.lossy) if row.lossy else None,
            streaming=streaming,
        )


class PyavStreamEncoder:
    """A StreamEncoder: samples -> effects -> sample format -> codec -> muxer -> bytes."""

    def __init__(
        self, row: _Row, sink: ByteSink, effects: Effects, *, sample_rate_hz: int, bit_rate: int | None, streaming: bool
    ) -> None:
        self._effects, self._rate_hz, self._encoded = effects, sample_rate_hz, 0
        options = {"fflags": "bitexact"} | ({"flush_packets": "1", **row.streamed} if streaming else {})
        target = StreamSink(sink) if streaming else sink
        self._container = av.open(cast("Any", target), "w", format=row.muxer, options=options)
        stream = self._container.add_stream(
            row.codec, rate=sample_rate_hz, layout="mono", options=dict(row.codec_options)
        )
        self._stream = cast("AudioStream", stream)
        self._stream.format = row.sample_format  # otherwise its first one, to which PyAV converts
        if bit_rate is not None:
            self._stream.bit_rate = bit_rate
        frame_size = (
            row.frame_size and row.frame_size * sample_rate_hz // 48_000 if row.codec == "libopus" else row.frame_size
        )
        self._resampler = AudioResampler(row.sample_format, "mono", sample_rate_hz, frame_size)

    def encode(self, pcm: Pcm) -> None:
        if len(pcm):
            self._encode(self._effects.push(finite(pcm)))

    def flush(self) -> None:
        self._encode(self._effects.flush())
        if self._encoded:
            for frame in self._resampler.resample(None):
                self._container.mux(self._stream.encode(frame))
        else:
            self._container.start_encoding()
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def __del__(self) -> None:
        # A container and its streams refer to each other: unless closed, both wait for the garbage collector.
        with contextlib.suppress(Exception):
            self._container.close()

    def _encode(self, samples: Samples) -> None:
        if not len(samples):
            return
        frame = frame_of(np.ascontiguousarray(samples), sample_rate_hz=self._rate_hz, at=self._encoded)
        self._encoded += len(samples)
        for converted in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(converted))
