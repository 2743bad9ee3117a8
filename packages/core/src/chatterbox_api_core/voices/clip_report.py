"""Advice for the person who made a recording, so that the next one is better. Pure: numbers in, sentences out.

The limits were chosen on synthetic speech that was mixed with noise, clipped, made quiet and cut in bandwidth
(`tests/encoders/test_clip_reader_advice.py`); each leaves a good recording alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from chatterbox_api_core.types import ClipReport

__all__ = ["advise", "with_advice"]

_SHORT_S: Final = 5.0
_LONG_S: Final = 30.0
_CLIPPED: Final = 3
"""Places; fewer are hardly heard, and lossy formats make them of sound that only just fits."""
_QUIET_DBFS: Final = -40.0
_ABOVE_NOISE_DB: Final = 17.0
_MOSTLY_SILENCE: Final = 0.35
_NARROW_HZ: Final = 4500
_MISSING_S: Final = 0.1


def with_advice(report: ClipReport) -> ClipReport:
    """The report with its advice in place."""
    return replace(report, advice=advise(report))


def advise(report: ClipReport) -> tuple[str, ...]:
    """What to do better, the most important first; for a good clip one friendly line. Notes come last.

    What the reader did not measure is not judged.
    """
    problems = [*_of_the_file(report), *_of_the_sound(report)]
    return (*(problems or [_praise(report)]), *_notes(report))


def _of_the_file(report: ClipReport) -> Iterator[str]:
    if report.missing_s > _MISSING_S:
        whole_s = report.duration_s + report.missing_s
        yield f"The file ends early: {report.duration_s:.1f} s of {whole_s:.1f} s are there. Send it again."
    elif report.cut_off:
        yield "The file has no proper end, so its last words may be missing: if they are, send it again."
    if report.damaged:
        yield f"The file is damaged in {_count(report.damaged, 'place')}, which are left out: send it again."


def _of_the_sound(report: ClipReport) -> Iterator[str]:
    seconds, heard = f"{report.duration_s:.0f} s", report.speech_share != 0
    if not heard:
        yield "No speech stands out from the background: record 5 to 15 s of one person speaking."
    if report.clipped is not None and report.clipped >= _CLIPPED:
        places = _count(report.clipped, "place")
        yield f"{seconds} of {_sound(report)}, clipped in {places}: record again a little further away."
    if report.level_dbfs is not None and report.level_dbfs < _QUIET_DBFS:
        yield f"It is very quiet ({report.level_dbfs:.0f} dBFS): record again closer to the microphone, or louder."
    if heard:
        yield from _of_the_speech(report)
    if report.duration_s < _SHORT_S:
        yield f"{report.duration_s:.1f} s are too short to clone a voice well: record 5 to 15 s."
    if report.duration_s > _LONG_S:
        yield f"{seconds} are more than is needed: the best 10 to 15 s alone do as well, and are ready sooner."


def _of_the_speech(report: ClipReport) -> Iterator[str]:
    above_db = None
    if report.level_dbfs is not None and report.noise_dbfs is not None:
        above_db = report.level_dbfs - report.noise_dbfs
    if above_db is not None and above_db < _ABOVE_NOISE_DB:
        yield f"The room is noisy: the speech is only {above_db:.0f} dB above it. Record again in a quieter place."
    elif report.speech_share is not None and report.speech_share < _MOSTLY_SILENCE:
        heard_s = report.duration_s * report.speech_share
        yield f"It is mostly silence: {heard_s:.1f} s of {report.duration_s:.1f} s are speech. Cut the silence out."
    reach_hz = min(report.sample_rate_hz // 2, report.bandwidth_hz or report.sample_rate_hz)
    if reach_hz < _NARROW_HZ:
        yield f"It sounds like a telephone, with nothing above {reach_hz / 1000:.1f} kHz: record with a microphone."


def _praise(report: ClipReport) -> str:
    clear = "clear " if report.noise_dbfs is not None else ""
    return f"{report.duration_s:.0f} s of {clear}{_sound(report)}: a good clip."


def _notes(report: ClipReport) -> Iterator[str]:
    if report.tracks > 1:
        yield f"The file has {report.tracks} tracks of sound; the first that can be read is the clip."
    if report.channels == 2:
        yield "It is stereo, and mixed down to mono."
    elif report.channels > 2:
        yield f"Its {report.channels} channels are mixed down to mono."


def _sound(report: ClipReport) -> str:
    return "speech" if report.speech_share else "sound"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
