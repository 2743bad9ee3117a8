"""Places are taken at once, given back always, and refused beyond the bound."""

from __future__ import annotations

import asyncio

import pytest

from chatterbox_api_core.errors import DeadlineExceeded, Overloaded
from chatterbox_api_core.speech.request_queue import RequestQueue


async def test_refuses_the_one_too_many_with_a_time_to_come_back() -> None:
    queue = RequestQueue(slots=2, max_waiting=1, wait_s=1)
    reservations = [queue.reserve() for _ in range(3)]
    with pytest.raises(Overloaded) as caught:
        queue.reserve()
    assert 1 <= caught.value.retry_after_s <= 60
    reservations[0].close()
    queue.reserve().close()


async def test_runs_no_more_than_its_slots_in_order() -> None:
    queue = RequestQueue(slots=2, max_waiting=20, wait_s=5)
    order: list[int] = []
    most = 0

    async def work(number: int) -> None:
        nonlocal most
        with queue.reserve() as reservation:
            await reservation.wait()
            most = max(most, queue.running)
            order.append(number)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert most == 2
    assert order == list(range(20))
    assert (queue.running, queue.waiting) == (0, 0)


async def test_waiting_has_a_deadline() -> None:
    queue = RequestQueue(slots=1, max_waiting=1, wait_s=0.02)
    with queue.reserve() as first, queue.reserve() as second:
        await first.wait()
        with pytest.raises(DeadlineExceeded):
            await second.wait()


async def test_who_gives_up_while_waiting_leaves_no_hole() -> None:
    queue = RequestQueue(slots=1, max_waiting=3, wait_s=5)
    first = queue.reserve()
    await first.wait()

    async def wait() -> None:
        with queue.reserve() as reservation:
            await reservation.wait()

    waiting = [asyncio.create_task(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert queue.waiting == 3
    waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    first.close()
    await asyncio.wait_for(waiting[2], 1)
    assert (queue.running, queue.waiting) == (0, 0)


async def test_closing_twice_counts_once() -> None:
    queue = RequestQueue(slots=1, max_waiting=0, wait_s=1)
    reservation = queue.reserve()
    await reservation.wait()
    reservation.close()
    reservation.close()
    with queue.reserve(), pytest.raises(Overloaded):
        queue.reserve()
