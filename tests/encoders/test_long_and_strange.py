"""Sound of any length, however it is cut, and sound that no voice makes: all of it arrives, in bounded memory.

With CHATTERBOX_LONG_TESTS=1 the long ones are of ten minutes, otherwise of half a minute.
"""

from __future__ import annotations

import ctypes
import os
import tracemalloc
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import av
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.effort import LONG

from chatterbox_api_core.formats import AAC, FORMATS, M4A, MP3, OGG, OPUS, PCM, WEBM
from chatterbox_api_core.ports import ByteSink, StreamEncoder
from chatterbox_api_core.types import AudioFormat, EncodeOptions, Pcm
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder

Sound: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

LONG_S: Final = 600 if LONG else 30
RATE_HZ: Final = 24_000
LOSSY: Final = (MP3, OGG, OPUS, AAC, M4A, WEBM)
LOSSLESS: Final = tuple(each for each in FORMATS if each not in LOSSY)
SLACK_S: Final = 0.1
"""What a lossy codec may add at the ends or, for a fraction of a block, leave away."""
MOST_HELD_BYTES: Final = 256 * 2**10
"""By Python's objects, some of which are others'. Half a minute of mp3 is 480 KB, ten of the smallest format 780."""
MOST_GROWTH_BYTES: Final = 8 * 2**20
"""Of the whole process. Ten minutes of samples are 58 MB."""

formats = pytest.mark.parametrize("audio_format", FORMATS, ids=lambda each: each.name)
bodies = pytest.mark.parametrize("complete", [True, False], ids=["complete", "streamed"])


@bodies
@formats
def test_a_long_sound_arrives_whole_and_an_encoder_holds_none_of_it(
    audio_format: AudioFormat, complete: bool, tmp_path: Path
) -> None:
    low, high = tone(400, 1.0), tone(800, 1.0)
    memory, file = Memory(), tmp_path / "sound"
    with file.open("wb") as sink:
        stream_encoder = open_encoding(audio_format, sink, complete=complete)
        for second in range(LONG_S):
            stream_encoder.encode(pcm_of(high if second == LONG_S - 1 else low))
            memory.look(second)
        memory.close()
        stream_encoder.flush()
    assert memory.held <= MOST_HELD_BYTES
    if LONG:  # within half a minute the process breathes as much by itself as a stream would keep
        assert memory.growth <= MOST_GROWTH_BYTES
    count, sample_rate_hz, end = 0, RATE_HZ, np.zeros(0, np.float32)
    for part, sample_rate_hz in parts_of(audio_format, file.read_bytes()):
        count += len(part)
        end = np.concatenate([end, part])[-sample_rate_hz * 3 // 2 :]
    check_length(audio_format, count / sample_rate_hz, float(LONG_S))
    assert crossings_per_s(end[-sample_rate_hz * 3 // 4 : -sample_rate_hz // 4], sample_rate_hz) == pytest.approx(
        800, abs=8
    )
    assert crossings_per_s(end[: sample_rate_hz * 3 // 8], sample_rate_hz) == pytest.approx(400, abs=8)


@bodies
@formats
def test_silence_stays_silent(audio_format: AudioFormat, complete: bool) -> None:
    silent, sample_rate_hz = decoded(
        audio_format, encoded(audio_format, [np.zeros(RATE_HZ, np.float32)], complete=complete)
    )
    check_length(audio_format, len(silent) / sample_rate_hz, 1.0)
    assert np.abs(silent).max() <= (0.001 if audio_format in LOSSY else 0.0)


@bodies
@formats
def test_the_loudest_square_stays_a_square(audio_format: AudioFormat, complete: bool) -> None:
    square = np.sign(tone(100, 2.0) + 1e-4)
    found, sample_rate_hz = decoded(audio_format, encoded(audio_format, [square], complete=complete))
    check_length(audio_format, len(found) / sample_rate_hz, 2.0)
    if audio_format in LOSSLESS:
        assert np.array_equal(np.sign(found), square)
        assert np.abs(found).min() >= 32767 / 32768
    inner = found[len(found) // 8 : -len(found) // 8]
    assert crossings_per_s(inner, sample_rate_hz) == pytest.approx(100, abs=1)
    # One sample that wraps around would be a needle from one end to the other.
    assert np.abs(inner).max() <= 1.5
    assert float(np.sqrt(np.mean(inner**2))) == pytest.approx(1.0, abs=0.1)


@bodies
@formats
def test_what_is_no_number_is_silent_and_what_is_infinite_is_full_scale(
    audio_format: AudioFormat, complete: bool
) -> None:
    square = np.sign(tone(100, 0.5) + 1e-4)
    gap = np.zeros(RATE_HZ // 2, np.float32)
    strange = [np.full_like(gap, np.nan), square * np.float32(np.inf), np.full_like(gap, np.nan), square * 1e30]
    found, _ = decoded(audio_format, encoded(audio_format, strange, complete=complete))
    plain, _ = decoded(audio_format, encoded(audio_format, [gap, square, gap, square], complete=complete))
    assert np.isfinite(found).all()
    assert len(found) == len(plain)
    assert np.allclose(found, plain, atol=1e-4)
    assert np.abs(plain).max() > 0.9


lengths = st.one_of(st.integers(0, 5000), st.integers(0, 30 * RATE_HZ))
cuts = st.lists(st.integers(0, 30 * RATE_HZ), max_size=20)


@pytest.mark.parametrize("audio_format", LOSSLESS, ids=lambda each: each.name)
@settings(max_examples=40 if LONG else 10, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(samples=lengths, cuts=cuts, complete=st.booleans())
@example(samples=0, cuts=[0, 0], complete=True)
@example(samples=0, cuts=[0, 0], complete=False)
@example(samples=30 * RATE_HZ, cuts=[1, 2, 5, 700_000], complete=False)
def test_every_sample_arrives_however_it_came(
    audio_format: AudioFormat, samples: int, cuts: list[int], complete: bool
) -> None:
    sound = exact_sound(samples)
    found, sample_rate_hz = decoded(audio_format, encoded(audio_format, chunks_of(sound, cuts), complete=complete))
    assert sample_rate_hz == RATE_HZ
    assert np.array_equal(found, sound)


@pytest.mark.parametrize("audio_format", LOSSY, ids=lambda each: each.name)
@settings(max_examples=40 if LONG else 5, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(samples=lengths, cuts=cuts, complete=st.booleans())
@example(samples=0, cuts=[0, 0], complete=True)
@example(samples=1, cuts=[0, 0], complete=False)
@example(samples=1200, cuts=[1, 959, 960, 961], complete=False)
def test_as_much_arrives_as_was_sent_however_it_came(
    audio_format: AudioFormat, samples: int, cuts: list[int], complete: bool
) -> None:
    sound = exact_sound(samples)
    whole, sample_rate_hz = decoded(audio_format, encoded(audio_format, [sound], complete=complete))
    found, _ = decoded(audio_format, encoded(audio_format, chunks_of(sound, cuts), complete=complete))
    assert len(found) == len(whole)
    check_length(audio_format, len(found) / sample_rate_hz, samples / RATE_HZ)


class Memory:
    """What grows after the first quarter: in Python's own objects, and in the whole process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._usual = [0, 0]
        self.held, self.growth = 0, 0
        tracemalloc.start()
        # What others have freed goes back to the system where the C library can: what FFmpeg holds must show as growth.
        if trim := getattr(ctypes.CDLL(None) if os.name == "posix" else None, "malloc_trim", None):
            trim(0)

    def look(self, second: int) -> None:
        now = [tracemalloc.get_traced_memory()[0], self._process.memory_info().rss]
        if second < LONG_S // 4:
            self._usual = [max(pair) for pair in zip(self._usual, now, strict=True)]
        else:
            self.held = max(self.held, now[0] - self._usual[0])
            self.growth = max(self.growth, now[1] - self._usual[1])

    def close(self) -> None:
        tracemalloc.stop()


def open_encoding(audio_format: AudioFormat, sink: ByteSink, *, complete: bool) -> StreamEncoder:
    encoder = SoundfileEncoder() if audio_format is OGG else PyavEncoder()
    return encoder.open(audio_format, sink, input_rate_hz=RATE_HZ, streaming=not complete, options=EncodeOptions())


def encoded(audio_format: AudioFormat, sounds: Iterable[Sound], *, complete: bool) -> bytes:
    sink = BytesIO()
    stream_encoder = open_encoding(audio_format, sink, complete=complete)
    for sound in sounds:
        stream_encoder.encode(pcm_of(sound))
    stream_encoder.flush()
    return sink.getvalue()


def pcm_of(sound: Sound) -> Pcm:
    return Pcm(memoryview(sound.astype(np.float32).tobytes()).cast("f"), RATE_HZ)


def parts_of(audio_format: AudioFormat, data: bytes) -> Iterator[tuple[Sound, int]]:
    """The decoded sound, a frame at a time, and its rate. There may be none, where a file has no sound to speak of."""
    if audio_format is PCM:
        yield (np.frombuffer(data, "<i2") / 32768).astype(np.float32), RATE_HZ
        return
    try:
        container = av.open(BytesIO(data), "r")
    except (av.error.InvalidDataError, av.error.EOFError):
        return
    with container:
        for frame in container.decode(audio=0) if container.streams.audio else ():
            values = cast("Any", frame.to_ndarray()).reshape(-1)
            full_scale = 2.0 ** (8 * values.itemsize - 1) if values.dtype.kind == "i" else 1.0
            yield (values / full_scale).astype(np.float32), frame.sample_rate


def decoded(audio_format: AudioFormat, data: bytes) -> tuple[Sound, int]:
    parts = list(parts_of(audio_format, data))
    return (np.concatenate([part for part, _ in parts]), parts[0][1]) if parts else (np.zeros(0, np.float32), RATE_HZ)


def tone(hz: float, duration_s: float) -> Sound:
    wave: Sound = (0.5 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * RATE_HZ)) / RATE_HZ)).astype(np.float32)
    return wave


def exact_sound(samples: int) -> Sound:
    """Noise of values that 16 bits can hold."""
    noise: Sound = (np.random.default_rng(samples).integers(-32768, 32768, samples) / 32768).astype(np.float32)
    return noise


def chunks_of(sound: Sound, cuts: list[int]) -> list[Sound]:
    places = sorted([0, len(sound), *(min(cut, len(sound)) for cut in cuts)])
    return [sound[a:b] for a, b in pairwise(places)]


def crossings_per_s(sound: Sound, sample_rate_hz: int) -> float:
    rising = np.flatnonzero((sound[:-1] < 0) & (sound[1:] >= 0))
    return float((len(rising) - 1) * sample_rate_hz / (rising[-1] - rising[0]))


def check_length(audio_format: AudioFormat, found_s: float, sent_s: float) -> None:
    slack_s = SLACK_S if audio_format in LOSSY else 0.0
    assert abs(found_s - sent_s) <= slack_s
