"""A constant beside which a recording swings is taken off: it is heard by nobody, and measures as noise."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from encoders.clip_files import encoded
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import Clip, ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.offset import without_offset

RATE_HZ = 8_000
READERS = [InProcessClipReader, WavReader]


def talk(duration_s: float = 6.0, *, loudest: float = 0.45) -> np.ndarray[Any, Any]:
    """Something like words: bursts of a voice's harmonics with silence between, without an offset."""
    seconds = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * 140 * n * seconds + n) / n for n in range(1, 25))
    sound = voice * np.clip(np.sin(2 * np.pi * 1.5 * seconds), 0, 1)
    sound += 1e-3 * np.random.default_rng(5).standard_normal(len(sound)) * np.abs(voice).max()
    sound -= sound.mean()
    return np.asarray(loudest * sound / np.abs(sound).max(), np.float32)


def wav(sound: np.ndarray[Any, Any]) -> bytes:
    """32-bit floats, which round nothing."""
    body = np.asarray(sound, "<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, RATE_HZ, RATE_HZ * 4, 4, 32)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def read(reader: Any, sound: np.ndarray[Any, Any]) -> Clip:
    clip: Clip = reader().decode(wav(sound), limits=ClipLimits(deadline_s=60))
    return clip


@pytest.mark.parametrize("reader", READERS)
@given(offset=st.floats(-0.5, 0.5), loudest=st.sampled_from([0.45, 0.2, 0.05]))
@settings(max_examples=15, deadline=None)
@example(offset=0.5, loudest=0.45)
@example(offset=-0.5, loudest=0.05)
@example(offset=1000 / 32768, loudest=0.45)
@example(offset=2000 / 32768, loudest=0.05)
@example(offset=0.003, loudest=0.45)
@example(offset=0.0003, loudest=0.05)
@example(offset=0.0002, loudest=0.2)
@example(offset=0.0011, loudest=0.2)
def test_an_offset_changes_neither_advice_nor_measures(reader: Any, offset: float, loudest: float) -> None:
    sound = talk(loudest=loudest)
    plain, moved = read(reader, sound), read(reader, sound + np.float32(offset))
    assert moved.report.advice == plain.report.advice
    level, noise, noise_plain = moved.report.level_dbfs, moved.report.noise_dbfs, plain.report.noise_dbfs
    assert level == pytest.approx(plain.report.level_dbfs, abs=0.3)
    assert level is not None
    assert noise is not None
    assert noise_plain is not None
    assert noise <= max(noise_plain + 3, level - 31), "what is left alone is too little to matter"
    assert moved.report.speech_share == pytest.approx(plain.report.speech_share, abs=0.03)
    assert moved.report.bandwidth_hz == plain.report.bandwidth_hz
    assert moved.report.clipped == 0
    left = float(np.asarray(moved.pcm.samples).mean())
    assert abs(left) < 0.02 * float(np.std(sound)) + 1e-6


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("loudest", [0.9, 0.45, 0.01, 0.0001])
def test_samples_without_an_offset_stay_as_they_are(reader: Any, loudest: float) -> None:
    sound = talk(loudest=loudest)
    assert np.array_equal(np.asarray(read(reader, sound).pcm.samples), sound)


@pytest.mark.parametrize("kind", ["wav", "wav24", "wav8", "mp3", "flac", "vorbis", "m4a", "aac", "aiff", "mulaw"])
def test_an_offset_is_taken_off_in_every_format(kind: str) -> None:
    """An offset is found behind every codec and rounding."""
    plain, moved = (
        InProcessClipReader().decode(
            encoded(kind, sound[None], sample_rate_hz=24_000), limits=ClipLimits(deadline_s=60)
        )
        for sound in (talk(), talk() + 0.2)
    )
    assert abs(float(np.asarray(moved.pcm.samples).mean())) < 0.005
    assert moved.report.advice == plain.report.advice
    assert moved.report.noise_dbfs is not None
    assert moved.report.noise_dbfs < -50, "of the rounding, which is coarser farther from zero"


def test_an_offset_that_begins_late_or_changes_is_found() -> None:
    """An editor puts digital silence before a recording, or joins two."""
    sound = talk()
    plain = read(InProcessClipReader, sound).report
    late = np.concatenate((np.zeros(RATE_HZ, np.float32), sound + 0.2, np.zeros(RATE_HZ, np.float32)))
    joined = np.concatenate((sound + 0.3, sound - 0.3))
    for moved in (late, joined):
        clip = read(InProcessClipReader, moved)
        assert clip.report.noise_dbfs is not None
        assert plain.noise_dbfs is not None
        assert clip.report.noise_dbfs < plain.noise_dbfs + 3
        assert not [line for line in clip.report.advice if "noisy" in line or "No speech" in line]


def test_peak_and_clipping_are_those_of_the_recording() -> None:
    """A recording that an offset has driven into full scale is clipped, wherever its middle is put afterwards."""
    for reader in READERS:
        pushed = np.clip(talk(loudest=0.9) + 0.5, -1, 1)
        report = read(reader, pushed).report
        assert report.peak_dbfs == 0.0
        assert report.clipped is not None
        assert report.clipped > 3


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 0.3, 1e-6])
def test_a_constant_is_silence(reader: Any, value: float) -> None:
    with pytest.raises(InvalidAudio, match="it is silent") as caught:
        read(reader, np.full(2 * RATE_HZ, value, np.float32))
    assert caught.value.remedy is not None
    assert caught.value.remedy.startswith("Record again")


def test_high_sounds_and_hum_are_left_alone() -> None:
    """What is taken off with an offset is slow: a low voice and the hum of mains lose nothing."""
    seconds = np.arange(10 * RATE_HZ) / RATE_HZ
    for hz in (20, 50, 60, 85, 300, 3000):
        sound = (0.3 * np.sin(2 * np.pi * hz * seconds)).astype(np.float32)
        changed = without_offset(sound + np.float32(0.1), sample_rate_hz=RATE_HZ)
        middle = slice(RATE_HZ, -RATE_HZ)
        assert np.abs(changed[middle] - sound[middle]).max() < 0.03, hz
