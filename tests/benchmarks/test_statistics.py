"""The arithmetic of the measurements."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from benchmarks.serving.statistics import arrivals_s, compared, percentile, playback, throughput


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.95) == 95
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1.0) == 100
    assert percentile([7.0], 0.01) == percentile([7.0], 0.99) == 7
    assert math.isnan(percentile([], 0.5))


def test_random_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() -> None:
    times = arrivals_s(rate_hz=50, duration_s=400, seed=3, max_count=10**6)
    assert times == sorted(times)
    assert times[-1] < 400
    assert len(times) == pytest.approx(20_000, abs=4 * math.sqrt(20_000))
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(mean, rel=0.05), "the gaps are not distributed exponentially"


def test_random_arrivals_are_bounded_and_the_same_for_a_seed() -> None:
    assert len(arrivals_s(rate_hz=1e6, duration_s=60, seed=1, max_count=500)) == 500
    once = arrivals_s(rate_hz=10, duration_s=5, seed=1, max_count=100)
    assert once == arrivals_s(rate_hz=10, duration_s=5, seed=1, max_count=100)
    assert once != arrivals_s(rate_hz=10, duration_s=5, seed=2, max_count=100)


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_edges_of_a_window_do_not_change_the_throughput(at_once: int) -> None:
    """Every 0.3 s as many answers end together; windows of 1 s see three or four of these moments."""
    for offset in (0.0, 0.1, 0.25):
        ends = [offset + 0.3 * number for number in range(9) for _ in range(at_once) if offset + 0.3 * number < 1]
        assert throughput(ends[::-1], seconds=1.0, at_once=at_once) == pytest.approx(at_once / 0.3)


def test_few_answers_and_those_of_an_open_loop_are_divided_by_the_window() -> None:
    assert throughput([0.1, 0.2], seconds=4.0, at_once=1) == 0.5
    assert throughput([0.1, 0.2, 0.3, 0.4], seconds=4.0, at_once=0) == 1.0
    assert throughput([], seconds=4.0, at_once=1) == 0.0


def test_a_body_that_comes_as_fast_as_it_plays_has_no_gap() -> None:
    arrivals = [(0.2 * number, 1000 * (number + 1)) for number in range(10)]
    heard = playback(arrivals, sound_s=2.0, buffer_s=0.05)
    assert (heard.parts, heard.parts_in_time, heard.gap_s) == (9, 9, 0.0)


def test_a_part_that_is_late_is_a_gap_and_delays_what_follows() -> None:
    """One second of sound in four parts; the third is late by 0.5 s, and the fourth as late, so in time again."""
    arrivals = [(10.0, 250), (10.2, 500), (11.0, 750), (11.2, 1000)]
    heard = playback(arrivals, sound_s=1.0, buffer_s=0.0)
    assert (heard.parts, heard.parts_in_time) == (3, 2)
    assert heard.gap_s == pytest.approx(0.5)


def test_a_listeners_buffer_hides_as_much_delay() -> None:
    arrivals = [(0.0, 500), (0.59, 1000)]
    assert playback(arrivals, sound_s=1.0, buffer_s=0.1).gap_s == 0
    assert playback(arrivals, sound_s=1.0, buffer_s=0.05).gap_s == pytest.approx(0.04)


def test_an_empty_body_has_nothing_to_be_heard() -> None:
    assert playback([], sound_s=1.0, buffer_s=0.1).parts == 0


def test_a_clear_difference_is_found_in_five_rounds() -> None:
    theirs = [10.0, 11.0, 9.5, 10.2, 10.4]
    slower = compared([1.3 * value for value in theirs], theirs)
    assert slower.slower
    assert not slower.faster
    assert slower.ratio == pytest.approx(1.3)
    assert compared([0.7 * value for value in theirs], theirs).faster


def test_a_difference_within_the_noise_is_none() -> None:
    theirs = [10.0, 10.0, 10.0, 10.0, 10.0]
    verdict = compared([13.0, 12.0, 9.9, 14.0, 12.5], theirs)
    assert verdict.ratio == pytest.approx(1.25)
    assert not verdict.slower
    assert verdict.low == pytest.approx(0.99)
    assert verdict.high == pytest.approx(1.4)


def test_one_odd_round_of_many_is_left_out() -> None:
    theirs = [10.0] * 9
    verdict = compared([12.0] * 8 + [5.0], theirs)
    assert verdict.slower
    assert verdict.low == pytest.approx(1.2)


def test_four_rounds_tell_nothing() -> None:
    verdict = compared([20.0] * 4, [10.0] * 4)
    assert not verdict.slower
    assert verdict.ratio == 2


def test_a_small_difference_is_not_worth_a_name() -> None:
    assert not compared([10.4] * 7, [10.0] * 7).slower


@pytest.mark.parametrize("rounds", [5, 7, 9])
def test_noise_alone_is_rarely_taken_for_a_difference(rounds: int) -> None:
    """With noise of a tenth. The interval misses the median in at most 10 % of cases, half of them on either side."""
    chance = random.Random(rounds)
    trials = 2000
    found = 0
    for _ in range(trials):
        ours, theirs = ([chance.lognormvariate(0, 0.1) for _ in range(rounds)] for _ in range(2))
        found += compared(ours, theirs).slower
    assert found / trials < 0.05


def test_rounds_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="zip"):
        compared([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="no rounds"):
        compared([], [])
