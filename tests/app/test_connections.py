"""One connection and its bounds, on a real socket: times, sizes, damaged framing, and answers that nobody takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import httpx
import pytest
from support.in_process import serving, speech_service

from chatterbox_api.connection_limits import ConnectionLimits
from chatterbox_api.connections import Connection
from chatterbox_api_core.reference import ToneSynthesizer

QUICK = ConnectionLimits(header_s=0.5, keep_alive_s=0.5, stall_s=0.5, body_s=0.5)
HEAD = b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def connection(
    limits: ConnectionLimits = QUICK,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter, str], None]:
    async with serving(speech_service(ToneSynthesizer()), connections=limits) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        try:
            yield reader, writer, url
        finally:
            writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes the connection."""
    return await asyncio.wait_for(reader.read(), 10)


def check_refusal(answer: bytes, status: int, code: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].split()[1] == str(status).encode(), answer
    assert b"connection: close" in lines
    assert b"content-type: application/json" in lines
    assert any(line.startswith(b"x-request-id: ") for line in lines)
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["type"]) == (code, "invalid_request_error")


async def test_who_sends_nothing_is_closed_without_a_word() -> None:
    async with connection() as (reader, _, _):
        assert await rest(reader) == b""


@pytest.mark.parametrize("start", [b"G", b"GET /health HTT", b"GET /health HTTP/1.1\r\nHo", HEALTH[:-1]])
async def test_half_a_head_is_told_that_it_is_late(start: bytes) -> None:
    async with connection() as (reader, writer, _):
        writer.write(start)
        check_refusal(await rest(reader), 408, "request_timeout")


async def test_a_byte_now_and_then_is_late_too() -> None:
    async with connection() as (reader, writer, _):
        answer = asyncio.create_task(rest(reader))
        writer.write(HEALTH[:-2])
        while not answer.done():
            writer.write(b"a")
            await asyncio.sleep(0.05)
        check_refusal(await answer, 408, "request_timeout")


async def test_a_connection_serves_again_and_again_until_it_is_idle() -> None:
    async with connection() as (reader, writer, _):
        for _ in range(3):
            writer.write(HEALTH)
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            assert b"healthy" in await reader.readuntil(b"}}")
        assert await rest(reader) == b""


async def test_the_rest_of_a_body_after_its_answer_does_not_keep_it_open() -> None:
    async with connection() as (reader, writer, _):
        writer.write(HEALTH[:-2] + b"Content-Length: 1000000\r\n\r\n")
        closed = asyncio.create_task(_until_closed_or_reset(reader))
        while not closed.done():
            writer.write(b"a")
            await asyncio.sleep(0.05)
        assert b"healthy" in await closed


async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    async with connection() as (reader, writer, url):
        body = json.dumps({"input": "a" * 1500, "response_format": "wav-float", "sample_rate": 48_000}).encode()
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        length = int((await reader.readuntil(b"\r\n\r\n")).lower().partition(b"content-length: ")[2].split()[0])
        transport = cast("asyncio.Transport", writer.transport)
        transport.pause_reading()
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/health")).json()["requests"]["running"] == 0
        await asyncio.sleep(2)
        transport.resume_reading()
        received = await _received(reader)
        assert 0 < received < length


@pytest.mark.parametrize(
    "damage",
    [
        *(
            CHUNKED + size + b'\r\n{"input": "a"}\r\n0\r\n\r\n'
            for size in (b"zz", b"-1", b"0x0e", b"1 4", b"", b"f" * 21)
        ),
        *(CHUNKED + b'e\r\n{"input": "a"}' + end for end in (b"\r\r\n", b"junk\r\n", b"\n\n\n", b"\r\nzz\r\n")),
        HEAD + b"Content-Length: x\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /health\r\n\r\n\r\n",
        b"GET /he alth HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\x00" * 40,
    ],
)
async def test_damaged_framing_is_a_bad_request(damage: bytes) -> None:
    async with connection() as (reader, writer, url):
        writer.write(damage)
        answer = await rest(reader)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), answer
        check_refusal(answer, int(answer.split()[1]), "invalid_http")
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/health")).json()["requests"]["running"] == 0


@pytest.mark.parametrize("damage", [b"zz\r\n", b"f" * 21 + b"\r\n", b"1\r\naa\r\n"])
async def test_damaged_framing_of_a_head_request_is_refused_without_a_body(
    damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with connection() as (reader, writer, _):
        writer.write(b"HEAD /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + damage)
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert body == b""
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("damage", [CHUNKED + b"zz\r\n", b"GET /he alth HTTP/1.1\r\n\r\n"])
async def test_who_is_refused_and_stays_is_closed(damage: bytes) -> None:
    async with connection() as (reader, writer, _):
        writer.write(damage)
        check_refusal(await rest(reader), 400, "invalid_http")
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionError):
                await _write_on(writer)


async def _write_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "head", [b"GET /" + b"a" * 40_000, HEALTH[:-2] + b"X: " + b"a" * 1_000_000, HEALTH[:-2] + b"a: b\r\n" * 9000]
)
async def test_headers_have_a_size(head: bytes) -> None:
    async with connection() as (reader, writer, _):
        writer.write(head)
        check_refusal((await rest(reader)), 431, "headers_too_large")


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("header", [b"X: %s\r\n", b"x:%s" + b" " * 64 + b"\r\n", b"a: %s\r\n" + b"a: b\r\n" * 4000])
async def test_a_head_that_arrives_at_once_has_the_same_size(
    method: bytes, header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The documented limit, to the byte, however it is filled; and on a connection that has been used before."""
    bare = len(method + HEALTH[3:] + header % b"")
    for size, status in ((2**15, b"200"), (2**15 + 1, b"431"), (120_000, b"431")):
        head = method + HEALTH[3:-2] + header % (b"a" * (size - bare)) + b"\r\n"
        assert len(head) == size
        async with connection() as (reader, writer, _):
            writer.write(HEALTH)
            await reader.readuntil(b"}}")
            writer.write(head)
            answer = await rest(reader)
            assert answer.split()[1] == status, (size, answer[:200])
            if (method, status) == (b"GET", b"431"):
                check_refusal(answer, 431, "headers_too_large")
    assert not [record for record in caplog.records if record.exc_info]


async def test_places_are_taken_from_whoever_is_silent_the_longest() -> None:
    """Half bodies have places too, and lose them; who waits for the engine keeps its own."""
    limits = ConnectionLimits(connections=16)
    async with serving(speech_service(ToneSynthesizer(pace=0.2)), connections=limits) as url:
        port = int(url.rpartition(":")[2])
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            speaking = [
                asyncio.create_task(client.post("/v1/audio/speech", json={"input": "Hello. " * 9})) for _ in range(5)
            ]
            await _until_running(client, 5)
            others = []
            for number in range(100):
                others.append(await asyncio.open_connection("127.0.0.1", port))
                others[-1][1].write(HEAD + b"Content-Length: 9\r\n\r\n{" if number % 2 else b"")
            async with httpx.AsyncClient(base_url=url, timeout=5) as newcomer:
                assert (await newcomer.get("/health")).status_code == 200
            assert [answer.status_code for answer in await asyncio.gather(*speaking)] == [200] * 5
            ends = await asyncio.gather(*(asyncio.wait_for(_ended(reader), 10) for reader, _ in others[:80]))
            assert all(ends)
            for _, writer in others:
                writer.close()


async def _until_running(client: httpx.AsyncClient, count: int) -> None:
    async with asyncio.timeout(30):
        while (await client.get("/health")).json()["requests"]["running"] != count:
            await asyncio.sleep(0.02)


async def _ended(reader: asyncio.StreamReader) -> bool:
    await _received(reader)
    return True


async def _received(reader: asyncio.StreamReader) -> int:
    """How many bytes come until the connection is closed or reset."""
    return len(await _until_closed_or_reset(reader))


async def _until_closed_or_reset(reader: asyncio.StreamReader) -> bytes:
    """All that comes. Whoever still writes when the server closes is reset."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await asyncio.wait_for(reader.read(2**20), 10):
            received += chunk
    return received


async def test_what_is_sent_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TCP_NODELAY a body waits behind its headers for the client's acknowledgement, which may take 40 ms."""
    accepted: list[int] = []
    connection_made = Connection.connection_made

    def seen(self: Connection, transport: asyncio.Transport) -> None:
        connection_made(self, transport)
        accepted.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(Connection, "connection_made", seen)
    async with connection() as (reader, writer, _):
        writer.write(HEALTH)
        await reader.readuntil(b"\r\n\r\n")
    assert len(accepted) == 1
    assert accepted[0]
