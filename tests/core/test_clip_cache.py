"""Clips in memory: one fetch however many miss, nothing kept that failed or was dropped."""

from __future__ import annotations

import asyncio

import pytest

from chatterbox_api_core.errors import NotFound
from chatterbox_api_core.voices.clip_cache import ClipCache


class Source:
    """A place to fetch from, slowly, that counts."""

    def __init__(self, data: bytes = b"clip", *, fails: int = 0) -> None:
        self.fetched, self._data, self._fails = 0, data, fails
        self.go = asyncio.Event()

    async def fetch(self) -> bytes:
        self.fetched += 1
        await self.go.wait()
        if self.fetched <= self._fails:
            raise OSError("away")
        return self._data


async def test_a_thousand_misses_are_one_fetch() -> None:
    cache, source = ClipCache({}), Source()
    waiting = [asyncio.create_task(cache.get("k", source.fetch)) for _ in range(1000)]
    await asyncio.sleep(0)
    source.go.set()
    assert set(await asyncio.gather(*waiting)) == {b"clip"}
    assert source.fetched == 1
    assert (cache.hits, cache.misses) == (0, 1000)
    assert await cache.get("k", source.fetch) == b"clip"
    assert (cache.hits, source.fetched) == (1, 1)


async def test_those_who_give_up_take_nothing_from_the_others() -> None:
    cache, source = ClipCache({}), Source()
    waiting = [asyncio.create_task(cache.get("k", source.fetch)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in waiting[:9]:
        task.cancel()
    await asyncio.gather(*waiting[:9], return_exceptions=True)
    source.go.set()
    assert await waiting[9] == b"clip"
    assert source.fetched == 1


async def test_a_fetch_that_all_have_left_is_still_kept() -> None:
    cache, source = ClipCache({}), Source()
    task = asyncio.create_task(cache.get("k", source.fetch))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    source.go.set()
    await asyncio.sleep(0.01)
    assert await cache.get("k", source.fetch) == b"clip"
    assert source.fetched == 1


async def test_a_failure_is_told_to_all_and_not_kept() -> None:
    cache, source = ClipCache({}), Source(fails=1)
    source.go.set()
    results = await asyncio.gather(*(cache.get("k", source.fetch) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, OSError) for result in results)
    assert source.fetched == 1
    assert await cache.get("k", source.fetch) == b"clip"


async def test_what_is_dropped_while_it_loads_is_not_kept() -> None:
    kept: dict[str, bytes] = {}
    cache, source = ClipCache(kept), Source()
    waiting = asyncio.create_task(cache.get("k", source.fetch))
    await asyncio.sleep(0)
    cache.drop("k")
    source.go.set()
    assert await waiting == b"clip", "who waited is served"
    assert not kept
    await cache.get("k", source.fetch)
    assert source.fetched == 2
    assert kept


async def test_what_has_been_created_is_at_hand() -> None:
    cache, source = ClipCache({}), Source()
    cache.put("k", b"new")
    assert await cache.get("k", source.fetch) == b"new"
    assert source.fetched == 0


async def test_a_mapping_may_refuse() -> None:
    class Small(dict[str, bytes]):
        def __setitem__(self, key: str, value: bytes) -> None:
            if len(value) > 3:
                raise ValueError("value too large")
            super().__setitem__(key, value)

    cache, source = ClipCache(Small()), Source()
    source.go.set()
    cache.put("k", b"larger than three")
    for _ in range(2):
        assert await cache.get("k", source.fetch) == b"clip"
    assert source.fetched == 2


async def test_one_voices_failure_is_not_anothers() -> None:
    """Two voices have the same clip; one of them is removed while it loads."""
    cache, healthy, go = ClipCache({}), Source(), asyncio.Event()
    healthy.go.set()

    async def removed() -> bytes:
        await go.wait()
        raise NotFound("gone")

    one = asyncio.create_task(cache.get("k", removed))
    await asyncio.sleep(0)
    others = [asyncio.create_task(cache.get("k", healthy.fetch)) for _ in range(5)]
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(NotFound):
        await one
    assert set(await asyncio.gather(*others)) == {b"clip"}
    assert healthy.fetched == 1


@pytest.mark.parametrize("count", [1, 50])
async def test_nothing_is_left_loading(count: int) -> None:
    cache, source = ClipCache({}), Source()
    source.go.set()
    await asyncio.gather(*(cache.get(str(key), source.fetch) for key in range(count)))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
