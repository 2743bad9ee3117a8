"""Bodies of all requests within their bounds: in memory, in files, and worked with; and all of it given back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.form_app import form_app, send
from support.in_process import serving, speech_service

from chatterbox_api_core.errors import Overloaded
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer
from chatterbox_api_http_litestar import HttpLimits
from chatterbox_api_http_litestar.body_budget import BodyBudget
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.request_body import RequestBody
from chatterbox_api_testkit.sounds import sine, wav

KIB = 2**10
LIMITS = HttpLimits(
    upload_bytes=500 * KIB,
    file_bytes=400 * KIB,
    bodies_memory_bytes=100 * KIB,
    bodies_file_bytes=1000 * KIB,
    bodies_loaded_bytes=300 * KIB,
    load_wait_s=5.0,
    receive_s=1.0,
)
MULTIPART = "multipart/form-data; boundary=x"
HEAD = b'--x\r\nContent-Disposition: form-data; name="voice_file"; filename="a"\r\n\r\n'


def held(budget: BodyBudget) -> tuple[int, int, int]:
    return budget.memory_bytes, budget.file_bytes, budget.loaded_bytes


async def never() -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("size", [1, 16 * KIB, 16 * KIB + 1, 90 * KIB, 200 * KIB, 390 * KIB])
@pytest.mark.parametrize("chunk", [1000, 70 * KIB])
async def test_what_is_written_is_read_wherever_it_lies(size: int, chunk: int) -> None:
    budget = BodyBudget(LIMITS)
    body = RequestBody(budget, never)
    data = bytes(number % 251 for number in range(size))
    for start in range(0, size, chunk):
        await body.write(data[start : start + chunk])
        here = min(start + chunk, size)
        assert await body.read(max(here - 5, 0), here) == data[max(here - 5, 0) : here]
    assert body.size == size
    assert await body.read() == data
    for start, stop in ((0, size // 2), (size // 3, size), (size // 2, size // 2), (size - 1, size)):
        assert await body.read(start, stop) == data[start:stop]
    memory, file, _ = held(budget)
    assert memory <= LIMITS.bodies_memory_bytes
    assert memory + file == pytest.approx(max(size - 16 * KIB, 0), abs=16 * KIB)
    assert (file > 0) == (size > 100 * KIB + 16 * KIB)
    assert await body.take(size // 4, size) == data[size // 4 :]
    assert held(budget) == (0, 0, size - size // 4), "only what the request works with is held"
    body.close()
    assert held(budget) == (0, 0, 0)


async def test_many_bodies_share_memory_then_files_then_are_refused() -> None:
    budget = BodyBudget(LIMITS)
    bodies = [RequestBody(budget, never) for _ in range(6)]
    for body in bodies[:4]:
        await body.write(bytes(150 * KIB))
        await body.write(bytes(100 * KIB))
    assert budget.memory_bytes <= LIMITS.bodies_memory_bytes
    assert budget.file_bytes > 800 * KIB
    with pytest.raises(Overloaded) as refused:
        await bodies[4].write(bytes(250 * KIB))
    assert refused.value.retry_after_s > 0
    await bodies[5].write(b"{}" * 8 * KIB)
    assert bodies[5].size == 16 * KIB, "a short request has its room, whatever others hold"
    for body in bodies:
        body.close()
        body.close()
    assert held(budget) == (0, 0, 0)


async def test_uploads_are_worked_with_in_turn() -> None:
    budget = BodyBudget(LIMITS)
    bodies = [RequestBody(budget, never) for _ in range(5)]
    for body in bodies:
        await body.write(bytes(140 * KIB))
    first, second = [await body.take(0, 140 * KIB) for body in bodies[:2]]
    assert len(first) == len(second) == 140 * KIB
    waiting = [asyncio.create_task(body.take(0, 140 * KIB)) for body in bodies[2:]]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    bodies[0].close()
    assert len(await waiting[1]) == 140 * KIB
    assert not waiting[2].done(), "it has its turn when another is done"
    bodies[1].close()
    assert len(await waiting[2]) == 140 * KIB
    for body in bodies:
        body.close()
    assert held(budget) == (0, 0, 0)


async def test_who_has_no_turn_in_time_is_refused() -> None:
    budget = BodyBudget(replace(LIMITS, load_wait_s=0.1))
    bodies = [RequestBody(budget, never) for _ in range(2)]
    for body in bodies:
        await body.write(bytes(200 * KIB))
    await bodies[0].take(0, 200 * KIB)
    with pytest.raises(Overloaded):
        await bodies[1].take(0, 200 * KIB)
    for body in bodies:
        body.close()
    assert held(budget) == (0, 0, 0)


@pytest.mark.parametrize("packet", [100, 4 * KIB, 16 * KIB, 64 * KIB])
async def test_what_is_not_yet_written_to_a_file_counts_as_memory(packet: int) -> None:
    budget = BodyBudget(LIMITS)
    bodies = [RequestBody(budget, never) for _ in range(8)]
    for _ in range(100 * KIB // packet):
        for body in bodies:
            await body.write(bytes(packet))
    in_memory = sum(body.memory_bytes for body in bodies)
    assert in_memory <= LIMITS.bodies_memory_bytes + len(bodies) * 16 * KIB
    assert budget.memory_bytes <= LIMITS.bodies_memory_bytes
    assert budget.file_bytes > 0
    for body in bodies:
        body.close()
    assert held(budget) == (0, 0, 0)


async def test_who_leaves_while_it_waits_is_not_waited_for() -> None:
    budget = BodyBudget(LIMITS)
    leaving: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def receive() -> Any:
        return await leaving

    one, two = RequestBody(budget, never), RequestBody(budget, receive)
    for body in (one, two):
        await body.write(bytes(200 * KIB))
    await one.take(0, 200 * KIB)
    waiting = asyncio.create_task(two.take(0, 200 * KIB))
    await asyncio.sleep(0.01)
    leaving.set_result({"type": "http.disconnect"})
    with pytest.raises(RequestError) as gone:
        await waiting
    assert gone.value.status == 499
    two.close()
    one.close()
    assert held(budget) == (0, 0, 0)


@pytest.mark.parametrize("then", ["end", "silence", "disconnect"])
@pytest.mark.parametrize("size", [10 * KIB, 200 * KIB, 390 * KIB, 410 * KIB])
async def test_however_a_request_ends_its_body_is_let_go_of(then: str, size: int) -> None:
    budget = BodyBudget(LIMITS)
    app = form_app(LIMITS, budget)
    chunks = [HEAD, *[bytes(KIB)] * (size // KIB), b"\r\n--x--\r\n" if then == "end" else b""]
    status, _ = await send([chunk for chunk in chunks if chunk], MULTIPART, app, then=then)
    expected = {"end": 200, "silence": 408, "disconnect": 499}[then]
    assert status == (413 if size > LIMITS.file_bytes else expected)
    assert held(budget) == (0, 0, 0)


async def test_a_cancelled_request_lets_go_of_its_body() -> None:
    budget = BodyBudget(LIMITS)
    task = asyncio.create_task(send([HEAD, bytes(300 * KIB)], MULTIPART, form_app(LIMITS, budget), then="silence"))
    await asyncio.sleep(0.1)
    assert sum(held(budget)) > 250 * KIB
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert held(budget) == (0, 0, 0)


async def test_without_a_folder_for_files_a_short_form_is_still_taken() -> None:
    app = form_app(LIMITS, budget := BodyBudget(replace(LIMITS, bodies_dir=Path("/nowhere"))))
    assert (await send([HEAD + bytes(50 * KIB) + b"\r\n--x--\r\n"], MULTIPART, app))[0] == 200
    status, answer = await send([HEAD, *[bytes(50 * KIB)] * 5, b"\r\n--x--\r\n"], MULTIPART, app)
    assert (status, answer["error"]["code"]) == (503, "temporary_files_failed")
    assert held(budget) == (0, 0, 0)


async def test_stalled_uploads_leave_room_for_others() -> None:
    """On a server: uploads that stop half way are held in files, then refused; speech goes on, and all ends in time."""
    limits = HttpLimits(bodies_memory_bytes=2**20, bodies_file_bytes=3 * 2**20, receive_s=3.0)
    store = MemoryStore()
    async with serving(speech_service(ToneSynthesizer(), store=store), store=store, limits=limits) as url:
        address = httpx.URL(url)
        stalled = []
        head = b"POST /voices HTTP/1.1\r\nHost: x\r\nContent-Type: " + MULTIPART.encode()
        for number in range(12):
            framing = (
                b"\r\nContent-Length: 9000000\r\n\r\n" if number % 2 else b"\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            reader, writer = await asyncio.open_connection(address.host, address.port)
            data = HEAD + bytes(2**19)
            writer.write(head + framing + (data if number % 2 else b"%x\r\n%s\r\n" % (len(data), data)))
            stalled.append((reader, writer))
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            assert (await client.post("/v1/audio/speech", json={"input": "Hello."})).status_code == 200
            answered = [await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) for reader, _ in stalled]
            statuses = sorted(int(answer.split()[1]) for answer in answered)
            assert set(statuses) == {408, 429}, statuses
            assert all(b"retry-after: " in answer for answer in answered if b" 429 " in answer[:20])
            file = {"voice_file": ("a.wav", wav(sine(300, 20)))}
            answer = await client.post("/voices", data={"voice_name": "Anna"}, files=file)
            assert answer.status_code == 201, "their room is free again"
        for _, writer in stalled:
            writer.close()
