"""Shared calls run once, caches stay within their bound, and work that must end does."""

from __future__ import annotations

import asyncio
import gc
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.aio import CallStopped, LruCache, SingleFlight, mark_retrieved, run_to_completion


class Work:
    """Slow work that counts how often it began, ended and was cancelled."""

    def __init__(self, result: str = "result", *, error: Exception | None = None) -> None:
        self.began = self.ended = self.cancelled = 0
        self.go = asyncio.Event()
        self._result, self._error = result, error

    async def __call__(self) -> str:
        self.began += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        if self._error is not None:
            raise self._error
        return self._result


async def begun(*tasks: asyncio.Task[Any]) -> None:
    """Let the tasks, and the calls that they begin, come to their first wait."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def leave(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
    )


# --- SingleFlight


async def test_many_share_one_call_and_its_result_is_handed_on_once() -> None:
    results: list[tuple[str, str]] = []
    flights = SingleFlight[str, str](on_result=lambda key, result: results.append((key, result)))
    work, other = Work(), Work("other")
    waiting = [asyncio.create_task(flights.run("key", work)) for _ in range(100)]
    apart = asyncio.create_task(flights.run("other key", other))
    await begun(*waiting, apart)
    assert "key" in flights
    assert len(flights) == 2
    work.go.set()
    other.go.set()
    assert set(await asyncio.gather(*waiting)) == {"result"}
    assert await apart == "other"
    assert (work.began, results) == (1, [("key", "result"), ("other key", "other")])
    assert len(flights) == 0


async def test_a_failure_reaches_all_and_the_next_call_begins_anew() -> None:
    results: list[str] = []
    flights = SingleFlight[str, str](on_result=lambda _, result: results.append(result))
    bad, good = Work(error=OSError("broken")), Work()
    bad.go.set()
    good.go.set()
    outcomes = await asyncio.gather(*(flights.run("key", bad) for _ in range(5)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [OSError] * 5
    assert await flights.run("key", good) == "result"
    assert results == ["result"]


@pytest.mark.parametrize("cancel_unused", [False, True])
async def test_who_leaves_takes_nothing_from_the_others(cancel_unused: bool) -> None:
    flights, work = SingleFlight[str, str](cancel_unused=cancel_unused), Work()
    first, second, third = (asyncio.create_task(flights.run("key", work)) for _ in range(3))
    await begun(first, second, third)
    await leave(first, third)
    work.go.set()
    assert await second == "result"
    assert (work.began, work.cancelled) == (1, 0)


async def test_a_call_that_all_have_left_runs_to_its_end() -> None:
    results: list[str] = []
    flights, work = SingleFlight[str, str](on_result=lambda _, result: results.append(result)), Work()
    task = asyncio.create_task(flights.run("key", work))
    await begun(task)
    await leave(task)
    assert "key" in flights, "it can still be joined"
    joined = asyncio.create_task(flights.run("key", work))
    await begun(joined)
    await leave(joined)
    work.go.set()
    await asyncio.sleep(0.01)
    assert (work.began, results) == (1, ["result"])


async def test_or_it_is_cancelled_and_a_newcomer_begins_anew() -> None:
    results: list[str] = []
    flights = SingleFlight[str, str](on_result=lambda _, result: results.append(result), cancel_unused=True)
    unused, wanted = Work(), Work("new")
    task = asyncio.create_task(flights.run("key", unused))
    await begun(task)
    await leave(task)
    assert "key" not in flights
    wanted.go.set()
    assert await flights.run("key", wanted) == "new"
    assert (unused.cancelled, unused.ended, results) == (1, 0, ["new"])


async def test_a_call_that_is_forgotten_serves_its_waiters_and_nobody_else() -> None:
    results: list[str] = []
    flights = SingleFlight[str, str](on_result=lambda _, result: results.append(result))
    old, new = Work("old"), Work("new")
    waiting_old = asyncio.create_task(flights.run("key", old))
    await begun(waiting_old)
    flights.forget("key")
    waiting_new = asyncio.create_task(flights.run("key", new))
    await begun(waiting_old, waiting_new)
    old.go.set()
    assert await waiting_old == "old"
    assert "key" in flights, "the new call is not taken for the old one"
    new.go.set()
    assert await waiting_new == "new"
    assert results == ["new"]
    flights.forget("never begun")


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_closing_stops_what_runs_and_says_so(steps: int) -> None:
    """Also a call that has not come to its first step yet."""
    flights, work = SingleFlight[str, str](), Work()
    task = asyncio.create_task(flights.run("key", work))
    for _ in range(steps):
        await asyncio.sleep(0)
    await flights.close()
    if steps:
        with pytest.raises(CallStopped):
            await task
    assert work.ended == 0
    work.go.set()
    assert await flights.run("key", work) == "result", "a new call may begin"
    await asyncio.gather(task, return_exceptions=True)


async def test_a_close_does_not_wait_for_ever() -> None:
    flights, go = SingleFlight[str, str](), asyncio.Event()

    async def stubborn() -> str:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    task = asyncio.create_task(flights.run("key", stubborn))
    await begun(task)
    await asyncio.wait_for(flights.close(timeout_s=0.02), 1)
    go.set()
    assert await task == "late"


async def test_a_cancelled_caller_is_cancelled_also_when_its_call_is_stopped() -> None:
    flights, work = SingleFlight[str, str](), Work()
    task = asyncio.create_task(flights.run("key", work))
    await begun(task)
    task.cancel()
    await flights.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_has_to_look_at_the_failure_of_a_call_that_all_have_left(reported: list[str]) -> None:
    flights, work = SingleFlight[str, str](), Work(error=OSError("broken"))
    task = asyncio.create_task(flights.run("key", work))
    await begun(task)
    await leave(task)
    work.go.set()
    await asyncio.sleep(0.01)
    del task
    gc.collect()
    assert reported == []


# --- LruCache


class Model:
    """What an LruCache must do, in as few words as possible."""

    def __init__(self, max_size: int, size_of: Callable[[bytes], int]) -> None:
        self.max_size, self.size_of = max_size, size_of
        self.entries: OrderedDict[int, bytes] = OrderedDict()

    def set(self, key: int, value: bytes) -> None:
        self.entries.pop(key, None)
        if self.size_of(value) <= self.max_size:
            self.entries[key] = value
        while sum(map(self.size_of, self.entries.values())) > self.max_size:
            self.entries.popitem(last=False)

    def get(self, key: int) -> bytes | None:
        if key in self.entries:
            self.entries.move_to_end(key)
        return self.entries.get(key)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.binary(max_size=12)),
        st.tuples(st.sampled_from(["get", "pop", "in"]), st.integers(0, 5), st.just(b"")),
    ),
    max_size=40,
)


@given(max_size=st.integers(0, 10), by_size=st.booleans(), steps=STEPS)
def test_a_cache_is_its_model(max_size: int, by_size: bool, steps: list[tuple[str, int, bytes]]) -> None:
    cache: LruCache[int, bytes] = LruCache(max_size, size_of=len) if by_size else LruCache(max_size)
    model = Model(max_size, len if by_size else lambda _: 1)
    for step, key, value in steps:
        if step == "set":
            cache[key] = value
            model.set(key, value)
        elif step == "get":
            assert cache.get(key) == model.get(key)
        elif step == "pop":
            assert cache.pop(key, None) == model.entries.pop(key, None)
        else:
            assert (key in cache) == (key in model.entries)
        assert list(cache) == list(model.entries), "in the order in which they are forgotten"
        assert len(cache) == len(model.entries)
        assert cache.size == sum(map(model.size_of, model.entries.values())) <= max_size
    for key in list(cache):
        del cache[key]
    assert cache.size == 0


def test_a_cache_keeps_what_is_false_or_none() -> None:
    cache = LruCache[str, float | None](2)
    cache["a"], cache["b"] = None, 0.0
    assert cache["a"] is None
    cache["c"] = 1.0
    assert "a" in cache
    assert "b" not in cache
    with pytest.raises(KeyError):
        cache["b"]
    with pytest.raises(KeyError):
        del cache["b"]


def test_a_value_that_is_too_large_takes_the_place_of_none_but_its_own() -> None:
    cache = LruCache[str, bytes](10, size_of=len)
    cache["a"], cache["b"] = b"1234", b"1234"
    cache["a"] = bytes(11)
    assert dict(cache) == {"b": b"1234"}


# --- run_to_completion


async def test_the_result_or_the_error_of_the_work() -> None:
    good, bad = Work(), Work(error=OSError("broken"))
    good.go.set()
    bad.go.set()
    assert await run_to_completion(good()) == "result"
    with pytest.raises(OSError, match="broken"):
        await run_to_completion(bad())


@pytest.mark.parametrize("error", [None, OSError("broken")])
async def test_a_cancelled_caller_leaves_when_the_work_has_ended(error: Exception | None, reported: list[str]) -> None:
    work = Work(error=error)
    caller = asyncio.create_task(run_to_completion(work()))
    await begun(caller)
    caller.cancel()
    await begun(caller)
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (work.ended, work.cancelled) == (1, 0)
    del caller
    gc.collect()
    assert reported == []


async def test_cancelled_twice_a_caller_leaves_and_the_work_goes_on() -> None:
    work = Work()
    caller = asyncio.create_task(run_to_completion(work()))
    await begun(caller)
    caller.cancel()
    await begun(caller)
    await leave(caller)
    assert work.ended == 0
    work.go.set()
    await asyncio.sleep(0.01)
    assert (work.ended, work.cancelled) == (1, 0)


async def test_work_that_waits_for_its_turn_is_withdrawn_and_work_that_runs_is_not() -> None:
    go, done = Event(), list[str]()

    def work(name: str) -> None:
        go.wait(5)
        done.append(name)

    with ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(work, name) for name in ("running", "waiting")]
        callers = [
            asyncio.create_task(run_to_completion(asyncio.wrap_future(each), withdraw=each.cancel)) for each in futures
        ]
        await begun(*callers)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers[1:], timeout=1)
        assert [caller.done() for caller in callers] == [False, True]
        go.set()
        await asyncio.wait(callers, timeout=1)
    assert all(caller.cancelled() for caller in callers)
    assert done == ["running"]


# --- mark_retrieved


@pytest.fixture
async def reported() -> list[str]:
    """What asyncio reports about this loop from now on."""
    messages: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: messages.append(context["message"]))
    return messages


@pytest.mark.parametrize("marked", [True, False])
async def test_an_error_that_nobody_awaits_is_reported_unless_it_is_marked(marked: bool, reported: list[str]) -> None:
    future = asyncio.get_running_loop().create_future()
    if marked:
        mark_retrieved(future)
    future.set_exception(OSError("broken"))
    await asyncio.sleep(0)
    del future
    gc.collect()
    assert len(reported) == (0 if marked else 1)


async def test_a_cancelled_future_can_be_marked() -> None:
    future = asyncio.get_running_loop().create_future()
    mark_retrieved(future)
    future.cancel()
    await asyncio.sleep(0)
    assert future.cancelled()
