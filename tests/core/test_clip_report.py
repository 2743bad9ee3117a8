"""The advice alone: from the numbers of a report to the sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chatterbox_api_core.types import ClipReport
from chatterbox_api_core.voices.clip_report import advise, with_advice

GOOD = ClipReport(
    duration_s=12.0,
    sample_rate_hz=48_000,
    channels=1,
    level_dbfs=-20.0,
    peak_dbfs=-3.0,
    clipped=0,
    noise_dbfs=-60.0,
    speech_share=0.8,
    bandwidth_hz=12_000,
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "12 s of clear speech: a good clip."),
        ({"clipped": 2}, "12 s of clear speech: a good clip."),
        ({"clipped": 3}, "12 s of speech, clipped in 3 places: record again a little further away."),
        ({"clipped": 1234}, "12 s of speech, clipped in 1,234 places: record again a little further away."),
        (
            {"level_dbfs": -45.4, "noise_dbfs": -90.0},
            "It is very quiet (-45 dBFS): record again closer to the microphone, or louder.",
        ),
        (
            {"noise_dbfs": -32.0},
            "The room is noisy: the speech is only 12 dB above it. Record again in a quieter place.",
        ),
        (
            {"speech_share": 0.25},
            "It is mostly silence: 3.0 s of 12.0 s are speech. Cut the silence out.",
        ),
        (
            {"speech_share": 0.0},
            "No speech stands out from the background: record 5 to 15 s of one person speaking.",
        ),
        ({"duration_s": 3.2}, "3.2 s are too short to clone a voice well: record 5 to 15 s."),
        (
            {"duration_s": 95.0},
            "95 s are more than is needed: the best 10 to 15 s alone do as well, and are ready sooner.",
        ),
        (
            {"bandwidth_hz": 3500},
            "It sounds like a telephone, with nothing above 3.5 kHz: record with a microphone.",
        ),
        (
            {"sample_rate_hz": 8000, "bandwidth_hz": None},
            "It sounds like a telephone, with nothing above 4.0 kHz: record with a microphone.",
        ),
        ({"missing_s": 3.0}, "The file ends early: 12.0 s of 15.0 s are there. Send it again."),
        (
            {"missing_s": 3.0, "cut_off": True},
            "The file ends early: 12.0 s of 15.0 s are there. Send it again.",
        ),
        (
            {"cut_off": True},
            "The file has no proper end, so its last words may be missing: if they are, send it again.",
        ),
        ({"damaged": 1}, "The file is damaged in 1 place, which are left out: send it again."),
    ],
)
def test_one_finding_is_one_sentence(change: dict[str, Any], expected: str) -> None:
    assert advise(replace(GOOD, **change)) == (expected,)


def test_notes_follow_and_are_no_reproach() -> None:
    assert advise(replace(GOOD, channels=2, tracks=2)) == (
        "12 s of clear speech: a good clip.",
        "The file has 2 tracks of sound; the first that can be read is the clip.",
        "It is stereo, and mixed down to mono.",
    )
    assert advise(replace(GOOD, channels=6))[-1] == "Its 6 channels are mixed down to mono."


def test_several_findings_the_file_first() -> None:
    said = advise(replace(GOOD, missing_s=1.0, clipped=9, duration_s=4.0, noise_dbfs=-30.0))
    assert [line.split()[0] for line in said] == ["The", "4", "The", "4.0"]


def test_what_was_not_measured_is_not_judged() -> None:
    """Of a reader that fills in what it must: nothing is claimed about speech or noise."""
    bare = ClipReport(12.0, 48_000, 1)
    assert with_advice(bare) == replace(bare, advice=("12 s of sound: a good clip.",))
    assert advise(replace(bare, level_dbfs=-20.0)) == ("12 s of sound: a good clip.",)
    assert advise(replace(bare, noise_dbfs=-20.0, speech_share=None)) != ()


def test_a_clip_without_speech_is_not_praised_or_measured_as_speech() -> None:
    said = advise(replace(GOOD, speech_share=0.0, level_dbfs=-60.0, bandwidth_hz=500))
    assert [line.split()[0] for line in said] == ["No", "It"]
