"""The Encoder of Ogg Vorbis on soundfile, since FFmpeg without libvorbis has no good Vorbis encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

import numpy as np
import soundfile

from chatterbox_api_core.formats import OGG
from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.types import AudioFormat, Effect, EncodeOptions, Pcm
from chatterbox_api_encoders.effects import EFFECTS, Effects, Samples
from chatterbox_api_encoders.samples import finite
from chatterbox_api_encoders.sinks import TellingSink

__all__ = ["SoundfileEncoder"]

_STRETCH: Final = 1024
"""Samples per write. Vorbis's output depends on the size of writes, so it is independent of the caller's blocks."""


class SoundfileEncoder:
    """An Encoder of Ogg Vorbis.

        encoder = SoundfileEncoder(quality=6)
        encoding = encoder.open(OGG, sink, input_rate_hz=24_000, streaming=True, options=EncodeOptions())
        encoding.encode(pcm)
        encoding.flush()

    Args:
        quality: the quality of Vorbis from 0 to 10. 5 makes about 80 kbit/s of one channel at 24 kHz.
    """

    formats: tuple[AudioFormat, ...] = (OGG,)
    effects: frozenset[Effect] = EFFECTS
    inline_formats: frozenset[str] = frozenset()

    def __init__(self, *, quality: float = 5.0) -> None:
        self._quality = quality

    def open(
        self,
        audio_format: AudioFormat,
        sink: ByteSink,
        *,
        input_rate_hz: int,
        streaming: bool,
        options: EncodeOptions,
    ) -> VorbisStreamEncoder:
        rate_hz = options.sample_rate_hz or input_rate_hz
        effects = Effects(replace(options, sample_rate_hz=rate_hz), input_rate_hz=input_rate_hz)
        return VorbisStreamEncoder(sink, effects, sample_rate_hz=rate_hz, quality=self._quality)


class VorbisStreamEncoder:
    """A StreamEncoder: samples -> effects -> Vorbis -> Ogg pages. A page is whole, so both bodies are alike."""

    def __init__(self, sink: ByteSink, effects: Effects, *, sample_rate_hz: int, quality: float) -> None:
        self._effects = effects
        self._rest = np.zeros(0, np.float32)
        self._file = soundfile.SoundFile(
            cast("Any", TellingSink(sink)),
            "w",
            samplerate=sample_rate_hz,
            channels=1,
            format="OGG",
            subtype="VORBIS",
            compression_level=1 - quality / 10,
        )

    def encode(self, pcm: Pcm) -> None:
        if len(pcm):
            self._write(self._effects.push(finite(pcm)))

    def flush(self) -> None:
        self._write(self._effects.flush())
        self._file.write(self._rest)
        self._file.close()

    def _write(self, samples: Samples) -> None:
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // _STRETCH * _STRETCH
        for begin in range(0, whole, _STRETCH):
            self._file.write(samples[begin : begin + _STRETCH])
        self._rest = samples[whole:].copy()
