"""The circuit breaker alone: what opens it, and when the bucket is unresponsive; `test_obstore_bucket` has the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from storage_r2.reading import Clock

from chatterbox_api_core.errors import StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import NotModified
from chatterbox_api_storage_r2.circuit_breaker import CircuitBreaker


async def answer(raised: Exception | None = None) -> str:
    if raised is not None:
        raise raised
    return "answer"


async def observe(breaker: CircuitBreaker, raised: Exception) -> None:
    with pytest.raises(type(raised)):
        await breaker.observe(answer(raised))


async def test_a_request_without_an_answer_makes_the_bucket_unresponsive_for_a_while() -> None:
    clock = Clock()
    breaker = CircuitBreaker(hold_s=5.0, clock=clock)
    assert not breaker.is_unresponsive
    await observe(breaker, Unavailable("no answer"))
    clock.now += 4.9
    assert breaker.is_unresponsive
    breaker.check()  # requests are still sent
    clock.now += 0.2
    assert not breaker.is_unresponsive


@pytest.mark.parametrize(
    "raised",
    [None, NotModified(), StorageFailed("damaged"), Unavailable("too new", code="storage_too_new")],
    ids=["a value", "not modified", "a damaged document", "a document of a newer version"],
)
async def test_each_answer_makes_it_responsive_again(raised: Exception | None) -> None:
    breaker = CircuitBreaker(clock=Clock())
    breaker.report_no_answer()
    if raised is None:
        assert await breaker.observe(answer()) == "answer"
    else:
        await observe(breaker, raised)
    assert not breaker.is_unresponsive
    assert breaker.answers == 1


class Probe:
    """Fails while it is told to."""

    def __init__(self) -> None:
        self.count, self.fails = 0, True

    async def __call__(self, limit_s: float) -> None:
        self.count += 1
        if self.fails:
            raise Unavailable("The bucket cannot be reached.", code="storage_unreachable")


@asynccontextmanager
async def probed(probe: Probe) -> AsyncGenerator[CircuitBreaker, None]:
    breaker = CircuitBreaker(probe, probe_every_s=0.01, retry_after_s=7.0)
    async with asyncio.timeout(30):
        yield breaker
    await breaker.close()


async def test_it_opens_with_a_failed_probe_and_closes_with_the_first_that_is_answered() -> None:
    async with probed(probe := Probe()) as breaker:
        breaker.report_failure()
        breaker.check()
        while not breaker.is_open:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            breaker.check()
        assert (refused.value.code, refused.value.retry_after_s) == ("storage_unreachable", 7.0)
        assert breaker.open_since is not None
        probe.fails = False
        while breaker.is_open:
            await asyncio.sleep(0.001)
        breaker.check()
        assert breaker.open_since is None


async def test_many_failures_start_one_probe_and_an_answered_one_opens_nothing() -> None:
    async with probed(probe := Probe()) as breaker:
        probe.fails = False
        for _ in range(20):
            breaker.report_failure()
        for _ in range(10):
            await asyncio.sleep(0)
        assert probe.count == 1
        assert not breaker.is_open


async def test_once_it_is_closed_down_it_probes_no_more() -> None:
    async with probed(probe := Probe()) as breaker:
        await breaker.close()
        breaker.report_failure()
        await asyncio.sleep(0.03)
        assert probe.count == 0
