"""Each codec takes the samples in the format of its row, so that lossy formats keep more than 16 bits."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import av
import numpy as np
import pytest

from chatterbox_api_core.formats import AAC, FLAC, FORMATS, M4A, MP3, OGG, OPUS, WEBM
from chatterbox_api_core.types import AudioFormat, EncodeOptions, Pcm
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.uncompressed import UNCOMPRESSED

RATE_HZ: Final = 24_000
QUIET: Final = 1e-5
"""A third of the smallest step of 16 bits, which rounds it to silence."""
FFMPEG: Final = {  # muxer, codec, sample format, kbit/s
    MP3: ("mp3", "libmp3lame", "fltp", 128),
    FLAC: ("flac", "flac", "s16", None),
    OPUS: ("ogg", "libopus", "flt", 64),
    AAC: ("adts", "aac", "fltp", 128),
    M4A: ("ipod", "aac", "fltp", 128),
    WEBM: ("webm", "libopus", "flt", 64),
}
COMPRESSED: Final = [each for each in FORMATS if each.name not in UNCOMPRESSED and each is not OGG]


def quiet_tone() -> np.ndarray[Any, np.dtype[np.float32]]:
    return (QUIET * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


def by_us(audio_format: AudioFormat) -> bytes:
    sink = BytesIO()
    encoder = PyavEncoder().open(audio_format, sink, input_rate_hz=RATE_HZ, streaming=False, options=EncodeOptions())
    encoder.encode(Pcm(memoryview(quiet_tone().tobytes()).cast("f"), RATE_HZ))
    encoder.flush()
    return sink.getvalue()


def by_ffmpeg(audio_format: AudioFormat) -> bytes:
    muxer, codec, sample_format, kbps = FFMPEG[audio_format]
    sink = BytesIO()
    with av.open(sink, "w", format=muxer, options={"fflags": "bitexact"}) as container:
        stream: Any = container.add_stream(codec, rate=RATE_HZ, layout="mono")
        stream.format = sample_format
        if kbps is not None:
            stream.bit_rate = 1000 * kbps
        frame = av.AudioFrame.from_ndarray(quiet_tone()[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


@pytest.mark.parametrize("audio_format", COMPRESSED, ids=lambda each: each.name)
def test_the_bytes_are_those_of_the_codec_with_this_sample_format(audio_format: AudioFormat) -> None:
    assert by_us(audio_format) == by_ffmpeg(audio_format)


@pytest.mark.parametrize("audio_format", [each for each in COMPRESSED if each is not FLAC], ids=lambda each: each.name)
def test_a_lossy_format_keeps_what_16_bits_cannot_hold(audio_format: AudioFormat) -> None:
    with av.open(BytesIO(by_us(audio_format)), "r") as container:
        found = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    assert np.abs(found).max() == pytest.approx(QUIET, rel=0.2)
