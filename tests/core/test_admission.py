"""Places are taken at once, given back always, and refused beyond the bound."""

from __future__ import annotations

import asyncio

import pytest

from chatterbox_api_core.admission import Admission
from chatterbox_api_core.errors import DeadlineExceeded, Overloaded


async def test_refuses_the_one_too_many_with_a_time_to_come_back() -> None:
    door = Admission(slots=2, queue=1, wait_s=1)
    tickets = [door.enter() for _ in range(3)]
    with pytest.raises(Overloaded) as caught:
        door.enter()
    assert 1 <= caught.value.retry_after_s <= 60
    tickets[0].close()
    door.enter().close()


async def test_runs_no_more_than_its_slots_in_order() -> None:
    door = Admission(slots=2, queue=20, wait_s=5)
    order: list[int] = []
    most = 0

    async def work(number: int) -> None:
        nonlocal most
        with door.enter() as ticket:
            await ticket.turn()
            most = max(most, door.running)
            order.append(number)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert most == 2
    assert order == list(range(20))
    assert (door.running, door.waiting) == (0, 0)


async def test_waiting_has_a_deadline() -> None:
    door = Admission(slots=1, queue=1, wait_s=0.02)
    with door.enter() as first, door.enter() as second:
        await first.turn()
        with pytest.raises(DeadlineExceeded):
            await second.turn()


async def test_who_gives_up_while_waiting_leaves_no_hole() -> None:
    door = Admission(slots=1, queue=3, wait_s=5)
    first = door.enter()
    await first.turn()

    async def wait() -> None:
        with door.enter() as ticket:
            await ticket.turn()

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
    door = Admission(slots=1, queue=0, wait_s=1)
    ticket = door.enter()
    await ticket.turn()
    ticket.close()
    ticket.close()
    with door.enter(), pytest.raises(Overloaded):
        door.enter()
