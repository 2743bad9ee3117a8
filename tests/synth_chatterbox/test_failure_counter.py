"""Three failures in a row take the engine out of rotation, until a success or a rest."""

from __future__ import annotations

import time

import pytest

from chatterbox_api_core.errors import SynthesisFailed, Unavailable
from chatterbox_api_synth_chatterbox.failure_counter import FailureCounter


def failed(times: int, *, rest_s: float = 30.0) -> FailureCounter:
    counter = FailureCounter(rest_s=rest_s)
    for number in range(times):
        counter.failed(SynthesisFailed(f"It failed, number {number}."))
    return counter


@pytest.mark.parametrize("times", [0, 1, 2])
def test_up_to_two_failures_are_no_matter(times: int) -> None:
    failed(times).check()


@pytest.mark.parametrize("times", [3, 4])
def test_three_say_so_and_when_to_come_back(times: int) -> None:
    with pytest.raises(Unavailable, match=f"{times} times in a row.*number {times - 1}") as caught:
        failed(times).check()
    assert caught.value.code == "engine_failing"
    assert 29 < caught.value.retry_after_s <= 30


def test_a_success_heals() -> None:
    counter = failed(3)
    counter.succeeded()
    counter.check()
    counter.failed(SynthesisFailed("Once."))
    counter.check()


def test_a_rest_heals_until_the_next_failure() -> None:
    counter = failed(3, rest_s=0.05)
    time.sleep(0.06)
    counter.check()
    counter.failed(SynthesisFailed("Again."))
    with pytest.raises(Unavailable):
        counter.check()
