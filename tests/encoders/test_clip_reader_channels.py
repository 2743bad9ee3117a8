"""Any number of channels from one to eight in every container is a voice; more are refused."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from encoders.clip_files import encoded, hum

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import Clip, ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import frequency_hz, middle

RATE_HZ = 48_000
LAYOUTS = {3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
WRITERS = {
    # kind: container, codec, sample format, the numbers of channels that the encoder takes
    "wav": ("wav", "pcm_s16le", "s16", range(3, 9)),
    "wav24": ("wav", "pcm_s24le", "s32", (8,)),
    "wavfloat": ("wav", "pcm_f32le", "flt", (8,)),
    "flac": ("flac", "flac", "s16", range(3, 9)),
    "opus": ("ogg", "libopus", "flt", range(3, 9)),
    "webm": ("webm", "libopus", "flt", (6, 8)),
    "m4a": ("ipod", "aac", "fltp", (3, 4, 5, 6, 8)),
    "aac": ("adts", "aac", "fltp", (6, 8)),
    "alac": ("ipod", "alac", "s16p", (8,)),
    "mka": ("matroska", "pcm_s16le", "s16", (8,)),
    "mov": ("mov", "pcm_s16be", "s16", (8,)),
    "aiff": ("aiff", "pcm_s16be", "s16", range(3, 9)),
}
CASES = [(kind, channels) for kind, (*_, counts) in WRITERS.items() for channels in counts]


def written(kind: str, sound: np.ndarray[Any, Any]) -> bytes:
    container, codec, sample_format, _ = WRITERS[kind]
    sink = BytesIO()
    layout = {("alac", 8): "7.1(wide)", ("opus", 4): "quad"}.get((kind, len(sound)), LAYOUTS[len(sound)])
    with av.open(sink, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=RATE_HZ, options={"strict": "experimental"})
        stream.layout, stream.format = layout, sample_format
        if codec == "libopus":
            stream.options = {"mapping_family": "1"}
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T.reshape(1, -1)), format="flt", layout=layout)
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(sample_format, layout, RATE_HZ, frame_size=stream.codec_context.frame_size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return sink.getvalue()


def read(data: bytes) -> Clip:
    return InProcessClipReader().decode(data, limits=ClipLimits(deadline_s=60))


def tone(channels: int) -> np.ndarray[Any, Any]:
    """A second and a half, the same in each channel but for its loudness."""
    sound = 0.4 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ * 3 // 2) / RATE_HZ)
    return np.stack([sound * (1 - 0.05 * number) for number in range(channels)]).astype(np.float32)


@pytest.mark.parametrize(("kind", "channels"), CASES)
def test_many_channels_are_mixed_down_in_every_container(kind: str, channels: int) -> None:
    clip = read(written(kind, tone(channels)))
    assert clip.report.channels == channels
    assert clip.report.duration_s == pytest.approx(1.5, abs=0.1)
    assert frequency_hz(middle(clip.pcm)) == pytest.approx(300, rel=0.01)
    assert f"Its {channels} channels are mixed down to mono." in clip.report.advice


@pytest.mark.parametrize("kind", ["wav", "wav24", "wavfloat", "flac", "mka", "mov", "aiff", "alac"])
def test_the_mean_of_eight_channels_is_exact(kind: str) -> None:
    sound = tone(8)
    samples = np.asarray(read(written(kind, sound)).pcm.samples)
    assert samples == pytest.approx(sound.mean(axis=0), abs=2 / 32768)


@pytest.mark.parametrize("channels", range(1, 9))
def test_vorbis_of_any_channels_alone_and_after_mono(channels: int) -> None:
    """A chained file whose second stream has other channels: what FFmpeg gives is read, and nothing crashes."""
    second = vorbis(tone(channels))
    assert read(second).report.channels == channels
    chained = read(vorbis(tone(1)) + second).report
    assert chained.duration_s > 1.4
    assert chained.duration_s > 2.9 or chained.damaged


def vorbis(sound: np.ndarray[Any, Any]) -> bytes:
    sink = BytesIO()
    soundfile.write(sink, sound.T, RATE_HZ, format="OGG", subtype="VORBIS")
    return sink.getvalue()


@pytest.mark.parametrize("first", [1, 2, 8])
def test_aac_that_becomes_eight_channels_on_its_way(first: int) -> None:
    sound = tone(8)
    begin = written("aac", sound) if first == 8 else adts(sound[:first])
    clip = read(begin + written("aac", sound))
    assert clip.report.channels == first
    assert clip.report.duration_s == pytest.approx(3.0, abs=0.2)


def adts(sound: np.ndarray[Any, Any]) -> bytes:
    return encoded("aac", sound, sample_rate_hz=RATE_HZ)


@pytest.mark.parametrize("channels", [*range(9, 25), 64, 65, 1000, 65_535])
@pytest.mark.parametrize("kind", ["wav", "aiff"])
def test_more_than_eight_channels_are_refused_with_what_helps(kind: str, channels: int) -> None:
    body = bytes(range(256)) * (channels // 64 + 1) * 40
    with pytest.raises(InvalidAudio) as caught:
        read(bare(kind, channels, body))
    if channels <= 64:
        assert f"it has {channels} channels" in caught.value.message
        assert caught.value.remedy == "Mix it down to one channel."


@pytest.mark.parametrize("channels", range(1, 10))
@pytest.mark.parametrize("samples", [0, 1, 2, 3])
def test_hardly_any_samples_of_any_number_of_channels(channels: int, samples: int) -> None:
    """Sixty bytes of eight channels ended the process."""
    for kind in ("wav", "aiff"):
        with pytest.raises(InvalidAudio):
            read(bare(kind, channels, bytes(2 * channels * samples)))


def bare(kind: str, channels: int, body: bytes) -> bytes:
    """A file of 16-bit samples at 8 kHz."""
    if kind == "aiff":
        frames = len(body) // (2 * channels)
        common = struct.pack(">HIH", channels, frames, 16) + bytes.fromhex("400bfa00000000000000")
        chunks = b"COMM" + struct.pack(">I", 18) + common + b"SSND" + struct.pack(">III", 8 + len(body), 0, 0) + body
        return b"FORM" + struct.pack(">I", 4 + len(chunks)) + b"AIFF" + chunks
    width = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, 8000, 8000 * width & 0xFFFFFFFF, width & 0xFFFF, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_a_hum_of_two_channels_is_their_mean() -> None:
    sound = hum(1.3, channels=2)
    samples = np.asarray(read(encoded("wavfloat", sound, sample_rate_hz=24_000)).pcm.samples)
    assert np.array_equal(samples, sound.mean(axis=0, dtype=np.float32)), "to the last bit"
