"""The Encoder of Ogg Vorbis, on soundfile: FFmpeg has no Vorbis codec worth the name without libvorbis."""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import soundfile

from chatterbox_api_core.formats import OGG
from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.types import AudioFormat, Effect, Pcm
from chatterbox_api_encoders.effects import EFFECTS, Effects, Samples
from chatterbox_api_encoders.samples import finite

__all__ = ["SoundfileEncoder"]

_STRETCH: Final = 1024
"""Samples handed over at once. What Vorbis makes of them depends on it, so it must not depend on how they came in."""


class SoundfileEncoder:
    """An Encoder of Ogg Vorbis.

    Args:
        quality: Vorbis's, from 0 to 10; 5 makes about 80 kbit/s of one channel at 24 kHz.
    """

    formats: tuple[AudioFormat, ...] = (OGG,)
    effects: frozenset[Effect] = EFFECTS

    def __init__(self, *, quality: float = 5.0) -> None:
        self._quality = quality

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
    ) -> VorbisEncoding:
        out_hz = out_rate_hz or sample_rate_hz
        return VorbisEncoding(
            sink,
            Effects(
                sample_rate_hz=sample_rate_hz, out_rate_hz=out_hz, tempo=tempo, loudness_lufs=loudness_lufs, trim=trim
            ),
            sample_rate_hz=out_hz,
            quality=self._quality,
        )


class VorbisEncoding:
    """A StreamEncoder: samples -> effects -> Vorbis -> Ogg pages. A page is whole by itself, so both bodies are alike."""

    def __init__(self, sink: ByteSink, effects: Effects, *, sample_rate_hz: int, quality: float) -> None:
        self._effects = effects
        self._rest = np.zeros(0, np.float32)
        self._file = soundfile.SoundFile(
            cast("Any", _WriteOnly(sink)),
            "w",
            samplerate=sample_rate_hz,
            channels=1,
            format="OGG",
            subtype="VORBIS",
            compression_level=1 - quality / 10,
        )

    def feed(self, pcm: Pcm) -> None:
        if len(pcm):
            self._write(self._effects.push(finite(pcm)))

    def finish(self) -> None:
        self._write(self._effects.finish())
        self._file.write(self._rest)
        self._file.close()

    def _write(self, samples: Samples) -> None:
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // _STRETCH * _STRETCH
        for begin in range(0, whole, _STRETCH):
            self._file.write(samples[begin : begin + _STRETCH])
        self._rest = samples[whole:].copy()


class _WriteOnly:
    """A sink as libsndfile wants one: it asks for the position at the start, and from then on only writes."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink, self._position = sink, 0

    def write(self, data: bytes) -> int:
        self._position += len(data)
        return self._sink.write(data)

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        return b""
