"""An hour without access, within a number of bytes, given back without anyone asking."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatterbox_api_cache_memory.clip_cache import IdleCache
from chatterbox_api_cache_memory.plugin import plugin
from chatterbox_api_core.voices.clip_cache import ClipCache

MINUTE_S = 60.0
HOUR_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_an_hour_counts_from_the_last_access() -> None:
    clock, fetched = Clock(), 0
    cache = ClipCache(IdleCache(max_bytes=1000, idle_s=HOUR_S, clock=clock))

    async def fetch() -> bytes:
        nonlocal fetched
        fetched += 1
        return b"clip"

    await cache.get("k", fetch)
    clock.now_s += 59 * MINUTE_S
    await cache.get("k", fetch)
    clock.now_s += 59 * MINUTE_S
    await cache.get("k", fetch)
    assert (cache.hits, fetched) == (2, 1)
    clock.now_s += 61 * MINUTE_S
    await cache.get("k", fetch)
    assert (cache.hits, fetched) == (2, 2)


def test_what_was_read_longest_ago_makes_room() -> None:
    cache = IdleCache(max_bytes=10, idle_s=HOUR_S, clock=Clock())
    cache["a"], cache["b"] = b"12345", b"12345"
    assert cache["a"]
    cache["c"] = b"123"
    assert sorted(cache) == ["a", "c"]
    with pytest.raises(ValueError, match="too large"):
        cache["d"] = b"12345678901"
    assert cache.currsize <= 10


async def test_idle_bytes_are_given_back_by_themselves() -> None:
    async with plugin.open({"CLIP_CACHE_IDLE_S": "1"}) as cache:
        cache["k"] = b"x" * 1000
        assert isinstance(cache, IdleCache)
        assert cache.currsize == 1000
        await asyncio.sleep(2.2)
        assert cache.currsize == 0


async def test_settings_are_honoured() -> None:
    async with plugin.open({"CLIP_CACHE_BYTES": "5"}) as cache:
        with pytest.raises(ValueError, match="too large"):
            cache["k"] = b"123456"


class CacheMachine(RuleBasedStateMachine):
    """Beside a model: whatever is found is right, and nothing is found that is idle for too long."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.cache = IdleCache(max_bytes=100, idle_s=10, clock=self.clock)
        self.written: dict[str, bytes] = {}
        self.used_s: dict[str, float] = {}

    keys = st.sampled_from("abcdefgh")

    @rule(key=keys, data=st.binary(max_size=60))
    def write(self, key: str, data: bytes) -> None:
        self.cache[key] = data
        self.written[key], self.used_s[key] = data, self.clock.now_s

    @precondition(lambda self: self.written)
    @rule(key=keys)
    def read(self, key: str) -> None:
        try:
            data = self.cache[key]
        except KeyError:
            return
        assert data == self.written[key]
        assert self.clock.now_s - self.used_s[key] < 10
        self.used_s[key] = self.clock.now_s

    @rule(key=keys)
    def remove(self, key: str) -> None:
        self.cache.pop(key, None)
        assert key not in self.cache

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @rule()
    def sweep(self) -> None:
        self.cache.expire()

    @invariant()
    def is_bounded(self) -> None:
        assert self.cache.currsize <= 100


CacheMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestCacheMachine = CacheMachine.TestCase
