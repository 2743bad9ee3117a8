"""What a person is told, on speech of espeak-ng that has been treated as recordings are."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from encoders.clip_files import encoded

from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import ClipLimits, ClipReport, Utterance
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_synth_espeak.synthesizer import EspeakSynthesizer

Sound: TypeAlias = np.ndarray[Any, Any]

TEXTS = {
    "en-us": "Good morning. I would like to tell you about the garden behind our house, where my grandmother grew "
    "beans, and peas, and a few roses. She was very proud of them. In summer we sat there until it was dark.",
    "de": "Guten Morgen. Ich erzähle euch vom Garten hinter unserem Haus. Dort zog meine Großmutter Bohnen, Erbsen und "
    "ein paar Rosen. Sie war sehr stolz darauf, und im Sommer saßen wir dort, bis es dunkel war.",
}
RATE_HZ = 22_050
SIGNS = {
    # a word of the advice: what it is about
    "clipped": "clipped",
    "quiet (": "quiet",
    "room is noisy": "noisy",
    "mostly silence": "silence",
    "No speech": "nothing",
    "too short": "short",
    "more than is needed": "long",
    "telephone": "narrow",
    "ends early": "cut",
    "no proper end": "cut",
    "damaged": "damaged",
    "mixed down": "channels",
    "a good clip": "good",
}


@pytest.fixture(scope="module")
def speech() -> dict[str, Sound]:
    """Ten seconds or more in each language, at 0.6 of full scale at most."""

    async def speak() -> dict[str, Sound]:
        async with EspeakSynthesizer.open(processes=1) as engine:
            return {
                language: np.concatenate(
                    [np.array(pcm.samples) async for pcm in engine.speak(Utterance(text, language), None)]
                )
                for language, text in TEXTS.items()
            }

    return {language: 0.6 * sound / np.abs(sound).max() for language, sound in asyncio.run(speak()).items()}


def noise(sound: Sound, dbfs: float) -> Sound:
    return 10 ** (dbfs / 20) * np.random.default_rng(7).standard_normal(len(sound))


def low_passed(sound: Sound, hz: float) -> Sound:
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE_HZ) > hz] = 0
    return np.fft.irfft(spectrum, len(sound))


def with_pause(sound: Sound, share: float) -> Sound:
    """Followed by an almost silent stretch; speech is this share of the whole."""
    whole = np.concatenate((sound, np.zeros(round(len(sound) * (1 / share - 1)))))
    return whole + noise(whole, -70)


TREATED: dict[str, tuple[Callable[[Sound], Sound], set[str]]] = {
    "clean": (lambda sound: sound, {"good"}),
    "at full scale": (lambda sound: sound / np.abs(sound).max() * 32767 / 32768, {"good"}),
    "a quiet room": (lambda sound: sound + noise(sound, -60), {"good"}),
    "some noise": (lambda sound: sound + noise(sound, -48), {"good"}),
    "rather low": (lambda sound: 0.3 * sound, {"good"}),
    "half silence": (lambda sound: with_pause(sound, 0.6), {"good"}),
    "a dull microphone": (lambda sound: low_passed(sound, 6000), {"good"}),
    "clipped": (lambda sound: np.clip(4 * sound, -1, 1), {"clipped"}),
    "just clipped": (lambda sound: np.clip(2.5 * sound, -1, 1), {"clipped"}),
    "quiet": (lambda sound: 0.03 * sound, {"quiet"}),
    "very quiet": (lambda sound: 0.003 * sound, {"quiet"}),
    "noisy": (lambda sound: sound + noise(sound, -32), {"noisy"}),
    "very noisy": (lambda sound: 0.7 * (sound + noise(sound, -28)), {"noisy"}),
    "silence": (lambda sound: with_pause(sound, 0.25), {"silence", "long"}),
    "short": (lambda sound: sound[: 3 * RATE_HZ], {"short"}),
    "long": (lambda sound: np.tile(sound, 3), {"long"}),
    "telephone": (lambda sound: low_passed(sound + noise(sound, -55), 3400), {"narrow"}),
    "noise alone": (lambda sound: noise(sound, -30), {"nothing"}),
    "a tone": (lambda sound: 0.4 * np.sin(np.arange(len(sound)) / 9), {"nothing"}),
    "clipped, short": (lambda sound: np.clip(4 * sound[: 3 * RATE_HZ], -1, 1), {"clipped", "short"}),
}


def about(report: ClipReport) -> set[str]:
    found = {meaning for sign, meaning in SIGNS.items() for line in report.advice if sign in line}
    assert len(found) == len(report.advice), report
    return found


def wav16(sound: Sound, *, channels: int = 1) -> bytes:
    return encoded("wav", np.stack([sound] * channels), sample_rate_hz=RATE_HZ)


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("treatment", TREATED)
def test_each_treatment_is_heard_and_nothing_else(treatment: str, language: str, speech: dict[str, Sound]) -> None:
    treat, expected = TREATED[treatment]
    report = InProcessClipReader().decode(wav16(treat(speech[language])), limits=ClipLimits()).report
    assert about(report) == expected, report


@pytest.mark.parametrize("treatment", [name for name in TREATED if name != "telephone"])
def test_the_reader_without_dependencies_hears_the_same(treatment: str, speech: dict[str, Sound]) -> None:
    """All but a missing upper half of the spectrum, unless the rate tells."""
    data = wav16(TREATED[treatment][0](speech["de"]))
    ours, plain = (reader.decode(data, limits=ClipLimits()).report for reader in (InProcessClipReader(), WavReader()))
    assert about(plain) == TREATED[treatment][1], plain
    for name in ("level_dbfs", "peak_dbfs", "noise_dbfs"):
        assert getattr(plain, name) == pytest.approx(getattr(ours, name), abs=0.5), name
    assert plain.clipped == ours.clipped
    assert plain.speech_share == pytest.approx(ours.speech_share, abs=0.02)


@pytest.mark.parametrize("kind", ["mp3", "flac", "vorbis", "opus", "m4a", "webm", "aac", "aiff"])
@pytest.mark.parametrize("treatment", ["clean", "rather low", "noisy", "quiet", "short"])
def test_advice_does_not_depend_on_the_format(kind: str, treatment: str, speech: dict[str, Sound]) -> None:
    treat, expected = TREATED[treatment]
    data = encoded(kind, treat(speech["en-us"])[None], sample_rate_hz=24_000)
    report = InProcessClipReader().decode(data, limits=ClipLimits()).report
    assert about(report) - {"channels"} == expected, report


def test_eight_kilohertz_is_a_telephone_to_both_readers(speech: dict[str, Sound]) -> None:
    low = low_passed(speech["de"], 3900)
    eight = np.interp(np.arange(0, len(low), RATE_HZ / 8000), np.arange(len(low)), low)
    for reader in (InProcessClipReader(), WavReader()):
        report = reader.decode(encoded("wav", eight[None], sample_rate_hz=8000), limits=ClipLimits()).report
        assert about(report) == {"narrow"}, report


def test_the_words_of_the_report(speech: dict[str, Sound]) -> None:
    """Its numbers are those of the sound, and the sentences have them."""
    sound = np.zeros(12 * RATE_HZ)
    sound[: min(len(sound), len(speech["de"]))] = speech["de"][: len(sound)]
    for at, length in ((20_000, 3), (40_000, 5), (60_000, 400), (80_000, 2)):
        sound[at - 1 : at + length + 1] = 0
        sound[at : at + length] = 1
    report = InProcessClipReader().decode(wav16(sound), limits=ClipLimits()).report
    assert report.clipped == 3, "two samples in a row are no place"
    assert report.peak_dbfs == 0.0
    assert report.advice == ("12 s of speech, clipped in 3 places: record again a little further away.",)
    steady = 0.1 * np.sign(np.sin(np.arange(3 * RATE_HZ) / 9))
    report = InProcessClipReader().decode(wav16(steady), limits=ClipLimits()).report
    assert (report.level_dbfs, report.noise_dbfs, report.peak_dbfs) == pytest.approx((-20, -20, -20), abs=0.1)


def test_clipping_is_counted_before_channels_are_mixed_and_rates_lowered(speech: dict[str, Sound]) -> None:
    left = np.clip(4 * speech["de"], -1, 1)
    stereo = encoded("wav", np.stack((left, np.zeros_like(left))), sample_rate_hz=96_000)
    report = InProcessClipReader().decode(stereo, limits=ClipLimits()).report
    alone = InProcessClipReader().decode(wav16(left), limits=ClipLimits()).report
    assert report.clipped == alone.clipped
    assert about(report) >= {"clipped", "channels"}


def test_stereo_is_mentioned_beside_the_praise(speech: dict[str, Sound]) -> None:
    report = InProcessClipReader().decode(wav16(speech["de"], channels=2), limits=ClipLimits()).report
    assert about(report) == {"good", "channels"}


def test_measuring_a_minute_takes_little(speech: dict[str, Sound]) -> None:
    """In its own time, beside decoding: a hundred milliseconds for 60 s, the best of five."""
    from chatterbox_api_encoders.measurement import ClipMeter, measure_clip

    minute = np.resize(np.clip(3 * speech["de"], -1, 1), 60 * 48_000).astype(np.float32)
    times, places = [], set()
    for _ in range(5):
        began = time.thread_time()
        meter = ClipMeter()
        for begin in range(0, len(minute), 24_000):
            meter.feed(minute[None, begin : begin + 24_000])
        measure_clip(minute, sample_rate_hz=48_000)
        places.add(meter.clipped)
        times.append(time.thread_time() - began)
    assert min(places) > 100
    assert min(times) < 0.1, times


def test_a_place_that_spans_two_blocks_counts_once() -> None:
    from chatterbox_api_encoders.measurement import ClipMeter

    sound = np.zeros((1, 60), np.float32)
    sound[0, 18:30] = 1
    sound[0, 39:42] = -1
    sound[0, 50:52] = 1
    for size in (1, 2, 3, 5, 7, 10, 20, 60):
        meter = ClipMeter()
        for begin in range(0, 60, size):
            meter.feed(sound[:, begin : begin + size])
        assert (meter.clipped, meter.peak) == (2, 1.0), size


def test_a_cut_file_says_so(speech: dict[str, Sound]) -> None:
    """Where the header tells: wav, flac and m4a. The rest serves."""
    for kind in ("wav", "flac"):
        data = encoded(kind, speech["de"][None], sample_rate_hz=RATE_HZ)
        report = InProcessClipReader().decode(data[: len(data) * 2 // 3], limits=ClipLimits()).report
        assert about(report) == {"cut"}, report
        assert report.duration_s + report.missing_s == pytest.approx(len(speech["de"]) / RATE_HZ, abs=0.01)
    data = wav16(speech["de"])
    assert about(WavReader().decode(data[: len(data) * 2 // 3], limits=ClipLimits()).report) == {"cut"}
    for promise in (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF - 36):
        at = data.index(b"data") + 4
        streamed = data[:at] + struct.pack("<I", promise) + data[at + 4 :]
        for reader in (InProcessClipReader(), WavReader()):
            assert about(reader.decode(streamed, limits=ClipLimits()).report) == {"good"}, hex(promise)
