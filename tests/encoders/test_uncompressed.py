"""The uncompressed formats are byte for byte what FFmpeg writes, whatever the samples and however they come."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox_api_core.formats import FORMATS
from chatterbox_api_core.types import EncodeOptions, Pcm
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.uncompressed import UNCOMPRESSED

RATE_HZ: Final = 24_000
FFMPEG: Final = {  # muxer, codec, sample format
    "wav": ("wav", "pcm_s16le", "s16"),
    "wav-24": ("wav", "pcm_s24le", "s32"),
    "wav-float": ("wav", "pcm_f32le", "flt"),
    "pcm": ("s16le", "pcm_s16le", "s16"),
}


class WriteOnly:
    """A stream: nobody can go back in it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def by_ffmpeg(name: str, samples: np.ndarray[Any, Any], *, streaming: bool) -> bytes:
    muxer, codec, sample_format = FFMPEG[name]
    sink: Any = WriteOnly() if streaming else BytesIO()
    with av.open(sink, "w", format=muxer, options={"fflags": "bitexact", "flush_packets": "1"}) as container:
        stream: Any = container.add_stream(codec, rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        resampler = av.AudioResampler(sample_format, "mono", RATE_HZ)
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
        if not streaming:
            container.close()
            return bytes(sink.getvalue())
    return bytes(sink.data)


def by_us(name: str, parts: list[np.ndarray[Any, Any]], *, streaming: bool) -> bytes:
    sink: Any = WriteOnly() if streaming else BytesIO()
    audio_format = next(each for each in FORMATS if each.name == name)
    encoder = PyavEncoder().open(
        audio_format, sink, input_rate_hz=RATE_HZ, streaming=streaming, options=EncodeOptions()
    )
    for part in parts:
        encoder.encode(Pcm(memoryview(part.tobytes()).cast("f"), RATE_HZ))
    encoder.flush()
    return bytes(sink.data if streaming else sink.getvalue())


@pytest.mark.parametrize("streaming", [False, True], ids=["complete", "streaming"])
@pytest.mark.parametrize("name", sorted(UNCOMPRESSED))
@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1.0, 1.0, width=32), min_size=1, max_size=400),
    cuts=st.lists(st.integers(0, 400), max_size=3),
)
def test_the_bytes_are_those_of_ffmpeg(name: str, streaming: bool, values: list[float], cuts: list[int]) -> None:
    samples = np.array(values, np.float32)
    parts = np.split(samples, sorted(min(cut, len(samples)) for cut in cuts))
    assert by_us(name, parts, streaming=streaming) == by_ffmpeg(name, samples, streaming=streaming)


@pytest.mark.parametrize("name", sorted(UNCOMPRESSED))
def test_every_rounding_is_that_of_ffmpeg(name: str) -> None:
    """Halves between two integers of 16 and of 24 bits, and the ends of the scale."""
    integers = np.arange(-(2**15) * 2, 2**15 * 2 + 1, dtype=np.float32) / 2
    samples = np.concatenate([integers / 2**15, integers / 2**23, [1.0, -1.0, 0.99999994]]).astype(np.float32)
    assert by_us(name, [samples], streaming=False) == by_ffmpeg(name, samples, streaming=False)
