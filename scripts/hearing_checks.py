"""What can be measured of speech, and what is to be expected of it; see `hear_chatterbox`.

A verdict is `ok`, `FAIL`, `look` for what is unusual and need not be wrong, or `-` for what is only told.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from chatterbox_api_core.types import Pcm
from chatterbox_api_testkit.sounds import level, median_pitch_hz

__all__ = [
    "Check",
    "Take",
    "Voice",
    "ends",
    "heard",
    "length",
    "loudness",
    "pace",
    "pitch",
    "pitch_order",
    "similarity",
    "speed",
    "spoken",
    "watermark",
]

Verdict = Literal["ok", "FAIL", "look", "-"]

MOST: Final = 0.9
CHARS_PER_S: Final = (8.0, 25.0)
LOUD_DBFS: Final = (-45.0, -10.0)
MARKED: Final = 0.9
SEMITONES: Final = 4.0
SIMILAR: Final = 0.75
"""Of upstream's voice encoder: one speaker's recordings are mostly above it, those of two mostly below. Advice."""
HEARD_S: Final = 0.3
_LONG_ENOUGH_S: Final = 1.5
_PITCH_S: Final = 8


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table."""

    name: str
    measured: str
    expected: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """Whoever speaks.

    Attributes:
        clip: None for the model's own voice.
        prepared: what the engine made of the clip.
    """

    name: str
    clip: Pcm | None = None
    prepared: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One text, spoken once.

    Attributes:
        kind: `short`, `long` and so on, or a language's tag.
        bound: the most tokens this text may have.
        took_s: to compute it.
    """

    kind: str
    text: str
    voice: Voice
    pcm: Pcm
    tokens: int
    bound: int
    took_s: float


def spoken(takes: Sequence[Take]) -> Check:
    good = sum(map(heard, takes))
    return _check(
        "every text is spoken", f"{good} of {len(takes)}", f"{HEARD_S} s of sound or more", good == len(takes)
    )


def heard(take: Take) -> bool:
    """Whether there is enough sound to measure."""
    return take.pcm.duration_s >= HEARD_S


def ends(takes: Sequence[Take]) -> Check:
    """Speech ends by itself rather than by the bound of its tokens."""
    good = sum(take.tokens < take.bound for take in takes)
    return _check("speech ends by itself", f"{good} of {len(takes)}", "9 of 10", good >= MOST * len(takes))


def length(takes: Sequence[Take], voice: Voice) -> Check:
    """A text ten times as long takes longer, by far."""
    short, long = (_of(takes, voice, kind).pcm.duration_s for kind in ("short", "long"))
    measured = f"{short:.1f} s and {long:.1f} s"
    return _check(f"{voice.name}: short and long text", measured, "more than 3 times", long > 3 * short)


def pace(takes: Sequence[Take], voice: Voice) -> Check:
    long = _of(takes, voice, "long")
    found = len(long.text) / max(0.01, long.pcm.duration_s)
    low, high = CHARS_PER_S
    return _check(
        f"{voice.name}: pace", f"{found:.0f} characters a second", f"{low:.0f} to {high:.0f}", low <= found <= high
    )


def loudness(takes: Sequence[Take]) -> Check:
    if not takes:
        return Check("loudness", "no sound", "some", "FAIL")
    levels = [_dbfs(level(take.pcm.samples)) for take in takes]
    peak = max(max(map(abs, take.pcm.samples), default=0.0) for take in takes)
    low, high = LOUD_DBFS
    good = all(low <= found <= high for found in levels) and peak <= 1.0
    measured = f"{min(levels):.0f} to {max(levels):.0f} dBFS, peak {peak:.2f}"
    return _check("loudness", measured, f"{low:.0f} to {high:.0f} dBFS, peak 1 at most", good)


def watermark(takes: Sequence[Take], confidence: Callable[[Pcm], float]) -> Check:
    """Args: confidence: from 0 to 1, that a sound carries the mark."""
    found = [confidence(take.pcm) for take in takes]
    good = sum(each >= MARKED for each in found)
    measured = f"{good} of {len(found)}, the least {min(found, default=0.0):.2f}"
    return _check("watermark found", measured, f"9 of 10 at {MARKED} or more", good >= max(1, MOST * len(found)))


def speed(takes: Sequence[Take]) -> Check:
    found = sum(take.took_s for take in takes) / max(0.01, sum(take.pcm.duration_s for take in takes))
    return Check("time to compute a second of sound", f"{found:.2f} s", "below 1 on a GPU", "-")


def pitch(takes: Sequence[Take], voice: Voice, clip: Pcm) -> Check:
    asked, got = median_pitch_hz(_beginning(clip)), _pitch_hz(takes, voice)
    away = abs(_semitones(got, asked))
    measured = f"{got:.0f} Hz, {away:.1f} semitones from the clip's {asked:.0f} Hz"
    return _check(f"{voice.name}: pitch", measured, f"within {SEMITONES:g} semitones", away <= SEMITONES)


def pitch_order(takes: Sequence[Take], clips: Sequence[tuple[Voice, Pcm]]) -> Check:
    """Of the lowest and the highest clip, the clones keep the order, and half of the distance at least."""
    name, expected = "low and high voice", "the order of the clips, and half their distance"
    ranked = sorted((median_pitch_hz(_beginning(clip)), number) for number, (_, clip) in enumerate(clips))
    if len(ranked) < 2 or _semitones(ranked[-1][0], ranked[0][0]) < SEMITONES:
        return Check(name, "not measured: give a low and a high --clip", expected, "-")
    (low_hz, low), (high_hz, high) = ranked[0], ranked[-1]
    asked = _semitones(high_hz, low_hz)
    got = _semitones(_pitch_hz(takes, clips[high][0]), _pitch_hz(takes, clips[low][0]))
    return _check(name, f"{got:.1f} semitones, the clips {asked:.1f}", expected, got >= asked / 2)


def similarity(takes: Sequence[Take], voice: Voice, clip: Pcm, cosine: Callable[[Pcm, Pcm], float]) -> Check:
    """A clone is nearer to its clip than the other voices are. Args: cosine: of two sounds' speakers."""
    long = [take for take in takes if take.pcm.duration_s >= _LONG_ENOUGH_S]
    own = [cosine(take.pcm, clip) for take in long if take.voice is voice]
    others = [cosine(take.pcm, clip) for take in long if take.voice is not voice]
    name, expected = f"{voice.name}: like the clip's speaker", f"{SIMILAR} or more, and more than other voices"
    if not own:
        return Check(name, "no take is long enough", expected, "FAIL")
    mean = statistics.mean(own)
    if not others:
        return Check(name, f"{mean:.2f}", expected, "ok" if mean >= SIMILAR else "look")
    other = statistics.mean(others)
    nearer: Verdict = "ok" if mean >= SIMILAR else "look"
    return Check(name, f"{mean:.2f}, other voices {other:.2f}", expected, nearer if mean > other else "FAIL")


def _check(name: str, measured: str, expected: str, good: bool) -> Check:
    return Check(name, measured, expected, "ok" if good else "FAIL")


def _of(takes: Sequence[Take], voice: Voice, kind: str) -> Take:
    return next(take for take in takes if take.voice is voice and take.kind == kind)


def _pitch_hz(takes: Sequence[Take], voice: Voice) -> float:
    take = _of(takes, voice, "long")
    return median_pitch_hz(_beginning(take.pcm)) if heard(take) else math.nan


def _beginning(pcm: Pcm) -> Pcm:
    return Pcm(pcm.samples[: _PITCH_S * pcm.sample_rate_hz], pcm.sample_rate_hz)


def _semitones(hz: float, base_hz: float) -> float:
    return 12 * math.log2(hz / base_hz)


def _dbfs(amplitude: float) -> float:
    return 20 * math.log10(max(amplitude, 1e-5))
