"""The two kinds of load: clients that wait for their answers, and requests that come at their own times.

Both stop by themselves: with their window, and with their count of requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.serving.http_client import Address, Answer, Connection

__all__ = ["Window", "closed_loop", "open_loop"]

_AFTER_FAILURE_S: Final = 0.05
_PATIENCE_S: Final = 60.0


@dataclass(slots=True)
class Window:
    """What came of a load.

    Attributes:
        began_s, ended_s: the stretch of `time.perf_counter` that counts.
        answers: those that ended in it, whatever their status; of a closed loop without each client's first, which
            found a queue shorter than the others do.
        completed: all good answers that ended in it.
        lost: requests whose connection failed.
    """

    began_s: float
    ended_s: float
    answers: list[Answer]
    completed: int = 0
    lost: int = 0


async def closed_loop(
    address: Address,
    request: Callable[[int], bytes],
    *,
    clients: int,
    warm_up_s: float,
    seconds: float,
    max_count: int,
    on_window: Callable[[], None],
) -> Window:
    """Keep `clients` requests under way.

    Args:
        request: the request of each number.
        on_window: called when the warm-up is over.
    """
    starts_s = time.perf_counter() + warm_up_s
    window = Window(starts_s, starts_s + seconds, [])
    numbers = iter(range(max_count + clients * 1000))
    enough = asyncio.Event()

    async def client() -> None:
        connection, is_first = Connection(address), True
        try:
            while time.perf_counter() < window.ended_s:
                answer = await _sent(connection, request(next(numbers)))
                if answer is None:
                    window.lost += 1
                    await asyncio.sleep(_AFTER_FAILURE_S)
                    continue
                if starts_s <= answer.ended_s <= window.ended_s:
                    window.completed += answer.status == 200 and answer.complete
                    if not (is_first and clients > 1):
                        window.answers.append(answer)
                    if window.completed >= max_count:
                        window.ended_s = answer.ended_s
                        enough.set()
                is_first = False
        finally:
            connection.close()

    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    full = asyncio.create_task(enough.wait())
    try:
        await asyncio.sleep(warm_up_s)
        on_window()
        await asyncio.wait([full], timeout=seconds)
    finally:
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
        window.answers.append(answer)
        window.completed += answer.status == 200 and answer.complete

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
