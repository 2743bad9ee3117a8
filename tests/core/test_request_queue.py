"""Places are taken at once, given back always, and refused beyond the bound."""

from __future__ import annotations

import asyncio

import pytest

from chatterbox_api_core.errors import DeadlineExceeded, Overloaded
from chatterbox_api_core.speech.request_queue import RequestQueue


async def test_refuses_the_one_too_many_with_a_time_to_come_back() -> None:
    door = RequestQueue(slots=2, queue=1, wait_s=1)
    tickets = [door.reserve() for _ in range(3)]
    with pytest.raises(Overloaded) as caught:
        door.reserve()
    assert 1 <= caught.value.retry_after_s <= 60
    tickets[0].close()
    door.reserve().close()


async def test_runs_no_more_than_its_slots_in_order() -> None:
    door = RequestQueue(slots=2, queue=20, wait_s=5)
    order: list[int] = []
    most = 0

    async def work(number: int) -> None:
        nonlocal most
        with door.reserve() as reservation:
            await reservation.wait()
            most = max(most, door.running)
            order.append(number)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert most == 2
    assert order == list(range(20))
    assert (door.running, door.waiting) == (0, 0)


async def test_waiting_has_a_deadline() -> None:
    door = RequestQueue(slots=1, queue=1, wait_s=0.02)
    with door.reserve() as first, door.reserve() as second:
        await first.wait()
        with pytest.raises(DeadlineExceeded):
            await second.wait()


async def test_who_gives_up_while_waiting_leaves_no_hole() -> None:
    door = RequestQueue(slots=1, queue=3, wait_s=5)
    first = door.reserve()
    await first.wait()

    async def wait() -> None:
        with door.reserve() as reservation:
            await reservation.wait()

    waiting = [asyncio.create_task(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert door.waiting == 3
    waiting[0].cancel()
    waiting[1].cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    first.close()
    await asyncio.wait_for(waiting[2], 1)
    assert (door.running, door.waiting) == (0, 0)


async def test_closing_twice_counts_once() -> None:
    door = RequestQueue(slots=1, queue=0, wait_s=1)
    reservation = door.reserve()
    await reservation.wait()
    reservation.close()
    reservation.close()
    with door.reserve(), pytest.raises(Overloaded):
        door.reserve()
