"""Each clip is analysed once, whoever asks; what is kept is bounded by bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chatterbox_api_core.errors import InvalidAudio, Unavailable
from chatterbox_api_synth_chatterbox.conditioning_cache import ConditioningCache


class Analyst:
    """Analyses when it is let; counts."""

    def __init__(self, voice: bytes = b"voice", *, error: Exception | None = None) -> None:
        self.begun = self.called_off = 0
        self.may = asyncio.Event()
        self._voice, self._error = voice, error

    async def __call__(self) -> bytes:
        self.begun += 1
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.called_off += 1
            raise
        if self._error is not None:
            raise self._error
        return self._voice


def ask(voices: ConditioningCache, analyst: Analyst, *, key: str = "a") -> asyncio.Task[bytes]:
    return asyncio.create_task(voices.get(key, analyst))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_eight_at_once_and_one_later_cause_one_analysis() -> None:
    voices, analyst = ConditioningCache(max_bytes=100), Analyst()
    asked = [ask(voices, analyst) for _ in range(8)]
    await settle()
    analyst.may.set()
    assert await asyncio.gather(*asked) == [b"voice"] * 8
    assert await voices.get("a", analyst) == b"voice"
    assert analyst.begun == 1
    assert voices.running == 0


async def test_a_failure_reaches_all_and_is_not_kept() -> None:
    voices, bad, good = ConditioningCache(max_bytes=100), Analyst(error=InvalidAudio("It is silent.")), Analyst()
    bad.may.set()
    good.may.set()
    answers = await asyncio.gather(*(ask(voices, bad) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in answers] == [InvalidAudio] * 3
    assert voices.running == 0
    assert await voices.get("a", good) == b"voice"
    assert (bad.begun, good.begun, voices.size_bytes) == (1, 1, 5)


async def test_one_who_leaves_stops_it_for_nobody() -> None:
    voices, analyst = ConditioningCache(max_bytes=100), Analyst()
    first, second, third = (ask(voices, analyst) for _ in range(3))
    await settle()
    first.cancel()
    third.cancel()
    await settle()
    assert analyst.called_off == 0
    analyst.may.set()
    assert await second == b"voice"


async def test_when_the_last_one_leaves_it_is_called_off_and_begins_anew_for_the_next() -> None:
    voices, analyst = ConditioningCache(max_bytes=100), Analyst()
    asked = [ask(voices, analyst) for _ in range(3)]
    await settle()
    for task in asked:
        task.cancel()
    await settle()
    assert analyst.called_off == 1
    assert voices.running == 0
    analyst.may.set()
    assert await voices.get("a", analyst) == b"voice"
    assert analyst.begun == 2


async def test_an_analysis_that_will_not_be_called_off_is_counted_once() -> None:
    """It ends after another of the same clip has begun, and both are kept under one key."""
    voices, stubborn, quick = ConditioningCache(max_bytes=100), Analyst(), Analyst(b"other")

    async def whatever_happens() -> bytes:
        try:
            return await stubborn()
        except asyncio.CancelledError:
            await quick.may.wait()
            return b"stubborn"

    task = asyncio.create_task(voices.get("a", whatever_happens))
    await settle()
    task.cancel()
    await settle()
    other = ask(voices, quick)
    await settle()
    quick.may.set()
    assert await other == b"other"
    await settle()
    assert voices.size_bytes == len(await voices.get("a", quick))


async def test_closing_calls_off_what_is_under_way_and_says_so_to_those_who_wait() -> None:
    voices, analyst = ConditioningCache(max_bytes=100), Analyst()
    asked = [ask(voices, analyst) for _ in range(2)]
    await settle()
    await voices.close()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in answers] == [Unavailable] * 2
    assert analyst.called_off == 1
    assert voices.running == 0


async def test_one_that_is_too_big_to_keep_is_used_all_the_same() -> None:
    voices, analyst = ConditioningCache(max_bytes=4), Analyst()
    analyst.may.set()
    for _ in range(2):
        assert await voices.get("a", analyst) == b"voice"
    assert (analyst.begun, voices.size_bytes) == (2, 0)


class Bounded(RuleBasedStateMachine):
    """What is kept is what a list of the last used, cut at so many bytes, holds."""

    MAX_BYTES = 20

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.voices = ConditioningCache(max_bytes=self.MAX_BYTES)
        self.model: OrderedDict[str, int] = OrderedDict()

    def teardown(self) -> None:
        self.loop.close()

    @rule(key=st.sampled_from("abcdefgh"), size=st.integers(0, 24), fails=st.booleans())
    def get(self, key: str, size: int, fails: bool) -> None:
        async def analyse() -> bytes:
            await asyncio.sleep(0)
            if fails:
                raise InvalidAudio("It is silent.")
            return bytes(size)

        try:
            got = len(self.loop.run_until_complete(self.voices.get(key, analyse)))
        except InvalidAudio:
            assert fails
            assert key not in self.model
            return
        if key in self.model:
            assert got == self.model[key]
            self.model.move_to_end(key)
            return
        assert got == size
        if size <= self.MAX_BYTES:
            self.model[key] = size
        while sum(self.model.values()) > self.MAX_BYTES:
            self.model.popitem(last=False)

    @invariant()
    def it_holds_what_it_says(self) -> None:
        assert self.voices.sizes_bytes == dict(self.model)
        assert self.voices.size_bytes == sum(self.model.values()) <= self.MAX_BYTES
        assert self.voices.running == 0


TestBounded = Bounded.TestCase
TestBounded.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("order", ["aba", "bab"])
async def test_the_longest_unused_goes_first(order: str) -> None:
    voices, analyst = ConditioningCache(max_bytes=10), Analyst()
    analyst.may.set()
    for key in (*order, "c"):
        await voices.get(key, analyst)
    assert set(voices.sizes_bytes) == {order[-1], "c"}
