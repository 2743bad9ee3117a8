"""The arithmetic of the measurements: percentiles, arrivals at random, what a listener hears, what is noise."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Playback", "Verdict", "arrivals_s", "compared", "percentile", "playback", "throughput"]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def arrivals_s(*, rate_hz: float, duration_s: float, seed: int, max_count: int) -> list[float]:
    """When requests arrive that come at random, independent of each other (Poisson), within a time and a count."""
    chance = random.Random(seed)
    found: list[float] = []
    at_s = chance.expovariate(rate_hz)
    while at_s < duration_s and len(found) < max_count:
        found.append(at_s)
        at_s += chance.expovariate(rate_hz)
    return found


def throughput(ends_s: Sequence[float], *, seconds: float, at_once: int) -> float:
    """Answers in a second: of a steady load, counted from answer to answer, so that a window's edges do not matter.

    Args:
        ends_s: when each ended, in any order.
        seconds: the window, by which few answers are divided.
        at_once: answers that may end together; 0 where the load is not steady.
    """
    if not at_once or len(ends_s) < 3 * at_once:
        return len(ends_s) / seconds
    ordered = sorted(ends_s)
    return (len(ordered) - at_once) / (ordered[-1] - ordered[at_once - 1])


@dataclass(frozen=True, slots=True)
class Playback:
    """What a listener hears who plays a body while it arrives.

    Attributes:
        parts, parts_in_time: of the body, those behind the first, and those that came before they were needed.
        gap_s: all silence in which the player had nothing left.
    """

    parts: int
    parts_in_time: int
    gap_s: float


def playback(arrivals: Sequence[tuple[float, int]], *, sound_s: float, buffer_s: float) -> Playback:
    """Play a body of constant bit rate from `buffer_s` after its first part on; a gap delays all that follows.

    Args:
        arrivals: when, and how many bytes of the body were there by then.
        sound_s: how long the whole body sounds.
    """
    if not arrivals or not arrivals[-1][1]:
        return Playback(0, 0, 0.0)
    s_per_byte = sound_s / arrivals[-1][1]
    began_s, held, gap_s, in_time = arrivals[0][0] + buffer_s, arrivals[0][1], 0.0, 0
    for at_s, total in arrivals[1:]:
        late_s = at_s - (began_s + held * s_per_byte)
        if late_s > 0:
            gap_s += late_s
            began_s += late_s
        else:
            in_time += 1
        held = total
    return Playback(len(arrivals) - 1, in_time, gap_s)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure of this tree beside that of another, from rounds that alternated.

    Attributes:
        ratio: the median of the rounds' ratios; above 1 is slower.
        low, high: the interval that holds the true median in at least 90 % of cases, however times are distributed.
        slower, faster: whether all of the interval lies beyond 1 by more than the margin.
    """

    ratio: float
    low: float
    high: float
    slower: bool
    faster: bool


def compared(ours: Sequence[float], theirs: Sequence[float], *, margin: float = 0.05) -> Verdict:
    """Judge times of the same rounds. With fewer than five rounds nothing is slower or faster: any order is chance.

    Raises:
        ValueError: the rounds are not as many, or there is none.
    """
    ratios = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
    if not ratios:
        raise ValueError("there are no rounds to compare")
    skipped = _skipped(len(ratios))
    low, high = (ratios[skipped], ratios[-1 - skipped]) if skipped is not None else (ratios[0], ratios[-1])
    certain = skipped is not None
    return Verdict(
        statistics.median(ratios),
        low,
        high,
        slower=certain and low > 1 + margin,
        faster=certain and high < 1 / (1 + margin),
    )


def _skipped(count: int) -> int | None:
    """How many of the smallest and of the largest may be left out so that the rest covers the median in 90 % of cases.

    A value is below the median as often as above it, so the count of those below is binomial. None where even all of
    them cover it less often.
    """
    outside, skipped = 0.0, None
    for left_out in range((count + 1) // 2):
        outside += 2 * math.comb(count, left_out) / 2**count
        if outside > 0.1:
            break
        skipped = left_out
    return skipped
