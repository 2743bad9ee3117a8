"""The two kinds of load: clients that wait for their answers, and requests that come at their own times.

Both stop by themselves: with their window, and with their count of requests.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.serving.http_client import Address, Answer, Connection

__all__ = ["Window", "closed_loop", "open_loop"]

_AFTER_FAILURE_S: Final = 0.05
_PATIENCE_S: Final = 60.0
_MIN_COUNT: Final = 5


@dataclass(slots=True)
class Window:
    """What came of a load.

    Attributes:
        began_s, ended_s: the stretch of `time.perf_counter` that counts.
        answers: those that ended in it, whatever their status; of a closed loop without each client's first, which
            found a queue shorter than the others do.
        ends_s: when each good answer ended, the clients' first ones included.
        lost: requests whose connection failed.
    """

    began_s: float
    ended_s: float
    answers: list[Answer]
    ends_s: list[float] = field(default_factory=list)
    lost: int = 0

    @property
    def completed(self) -> int:
        return len(self.ends_s)

    def count(self, answer: Answer, *, is_kept: bool = True) -> None:
        if answer.status == 200 and answer.complete:
            self.ends_s.append(answer.ended_s)
        if is_kept:
            self.answers.append(answer)


async def closed_loop(
    address: Address,
    request: Callable[[int], bytes],
    *,
    clients: int,
    spread_s: float,
    warm_up_s: float,
    seconds: float,
    max_count: int,
    on_window: Callable[[], None],
) -> Window:
    """Keep `clients` requests under way. The window is longer where few answers end in it, up to a minute.

    Args:
        request: the request of each number.
        spread_s: the time in which the clients begin, one after another: listeners do not come all at once.
        on_window: called when the warm-up is over.
    """
    window = Window(time.perf_counter() + warm_up_s, math.inf, [])
    requests, enough, needed = map(request, itertools.count()), asyncio.Event(), max_count

    def take(answer: Answer, is_first: bool) -> None:
        if answer.ended_s >= window.began_s and not enough.is_set():
            window.count(answer, is_kept=not is_first or clients == 1)
            if window.completed >= needed:
                enough.set()

    tasks = [
        asyncio.create_task(_client(address, requests, take, window, delay_s=spread_s * number / clients))
        for number in range(clients)
    ]
    full = asyncio.create_task(enough.wait())
    try:
        await asyncio.sleep(warm_up_s)
        on_window()
        await asyncio.wait([full], timeout=seconds)
        needed = min(needed, _MIN_COUNT)
        if window.completed < needed:
            await asyncio.wait([full], timeout=_PATIENCE_S)
    finally:
        window.ended_s = time.perf_counter()
        await _end([full, *tasks])
    return window


async def open_loop(
    address: Address, request: Callable[[int], bytes], *, times_s: Sequence[float], seconds: float
) -> Window:
    """Send each request at its time; an answer's time counts from then, so that a late driver is no fast server."""
    began_s = time.perf_counter()
    window = Window(began_s, began_s + seconds, [])
    idle: list[Connection] = []

    async def one(number: int, due_s: float) -> None:
        connection = idle.pop() if idle else Connection(address)
        try:
            answer = await _sent(connection, request(number))
        except asyncio.CancelledError:
            connection.close()
            raise
        if answer is None:
            window.lost += 1
            return
        idle.append(connection)
        answer.began_s = due_s
        window.count(answer)

    tasks: list[asyncio.Task[None]] = []
    try:
        for number, at_s in enumerate(times_s):
            await asyncio.sleep(max(0.0, began_s + at_s - time.perf_counter()))
            tasks.append(asyncio.create_task(one(number, began_s + at_s)))
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE_S)
        window.ended_s = time.perf_counter()
    finally:
        await _end(tasks)
        for connection in idle:
            connection.close()
    return window


async def _client(
    address: Address,
    requests: Iterator[bytes],
    take: Callable[[Answer, bool], None],
    window: Window,
    *,
    delay_s: float,
) -> None:
    """Send one request after another, until it is cancelled."""
    connection, is_first = Connection(address), True
    try:
        await asyncio.sleep(delay_s)
        while True:
            answer = await _sent(connection, next(requests))
            if answer is None:
                window.lost += 1
                await asyncio.sleep(_AFTER_FAILURE_S)
            else:
                take(answer, is_first)
            is_first = False
    finally:
        connection.close()


async def _sent(connection: Connection, request: bytes) -> Answer | None:
    """The answer; None where the connection fails."""
    try:
        return await connection.send(request)
    except OSError:
        connection.close()
        return None


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
