"""Both kinds of load against a server whose answers take a known time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from benchmarks.serving.http_client import Address, json_request
from benchmarks.serving.load import closed_loop, open_loop


@dataclass
class SlowServer:
    """Answers each request after a while; refuses where as many are under way as may be."""

    address: Address = field(default_factory=lambda: Address("127.0.0.1", 0))
    delay_s: float = 0.02
    at_once: int = 100
    paths: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.paths.append(head.split()[1].decode())
                if self.running >= self.at_once:
                    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
                    continue
                self.running += 1
                self.most = max(self.most, self.running)
                await asyncio.sleep(self.delay_s)
                self.running -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd")
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def serving(**settings: float) -> AsyncGenerator[SlowServer, None]:
    slow = SlowServer(**settings)  # type: ignore[arg-type]
    handlers: list[asyncio.Future[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(ended := asyncio.get_running_loop().create_future())
        await slow.answer(reader, writer)
        ended.set_result(None)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    slow.address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    yield slow
    server.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*handlers)


async def test_a_closed_loop_keeps_as_many_requests_under_way() -> None:
    begun = []
    async with serving() as slow:
        window = await closed_loop(
            slow.address,
            lambda number: json_request(slow.address, f"/{number}"),
            clients=7,
            spread_s=0.05,
            warm_up_s=0.1,
            seconds=0.5,
            max_count=10_000,
            on_window=lambda: begun.append(time.perf_counter()),
        )
    assert slow.most == 7
    assert window.lost == 0
    assert window.completed == len(window.answers) > 7
    assert begun[0] == pytest.approx(window.began_s, abs=0.1)
    assert all(answer.ended_s >= window.began_s for answer in window.answers)
    assert len(set(slow.paths)) == len(slow.paths), "each request has a number of its own"


async def test_a_closed_loop_ends_with_its_count_and_waits_for_a_few_answers() -> None:
    async def run(slow: SlowServer, *, seconds: float, max_count: int) -> int:
        window = await closed_loop(
            slow.address,
            lambda number: json_request(slow.address, "/"),
            clients=1,
            spread_s=0.0,
            warm_up_s=0.0,
            seconds=seconds,
            max_count=max_count,
            on_window=lambda: None,
        )
        return window.completed

    async with serving() as slow:
        began_s = time.perf_counter()
        assert await run(slow, seconds=30, max_count=3) == 3
        assert await run(slow, seconds=0.01, max_count=100) == 5
        assert time.perf_counter() - began_s < 10


async def test_an_open_loop_sends_on_whether_or_not_it_is_answered() -> None:
    times_s = [0.01 * number for number in range(12)]
    async with serving(delay_s=0.3, at_once=8) as slow:
        window = await open_loop(
            slow.address, lambda number: json_request(slow.address, f"/{number}"), times_s=times_s, seconds=0.2
        )
    assert slow.most == 8
    assert (window.completed, len(window.answers)) == (8, 12)
    assert sorted(slow.paths) == sorted(f"/{number}" for number in range(12))
    for answer in window.answers:
        taken_s = answer.ended_s - answer.began_s
        assert taken_s >= 0.299 if answer.status == 200 else taken_s < 0.3


async def test_a_server_that_is_gone_is_lost_requests() -> None:
    async with serving() as slow:
        pass
    window = await open_loop(slow.address, lambda number: json_request(slow.address, "/"), times_s=[0, 0.01], seconds=1)
    assert (window.completed, window.lost, window.answers) == (0, 2, [])
