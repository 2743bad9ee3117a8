"""The driver's own client, against servers that answer in every framing, in odd parts, or not to the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest

from benchmarks.serving.http_client import Address, Connection, json_request

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6;note=x\r\n456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n0123456789"


@asynccontextmanager
async def serving(parts: Sequence[bytes], *, closes: bool = False) -> AsyncGenerator[tuple[Address, list[int]], None]:
    """A server that answers each request with these parts; the list counts its connections' requests."""
    requests: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(0)
        number = len(requests) - 1
        while await reader.readuntil(b"\r\n\r\n"):
            requests[number] += 1
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.001)
            if closes:
                writer.close()
                return

    handlers: list[asyncio.Future[None]] = []

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(ended := asyncio.get_running_loop().create_future())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await answer(reader, writer)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
        ended.set_result(None)

    server = await asyncio.start_server(quietly, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1]), requests
    finally:
        server.close()
        async with asyncio.timeout(5):  # the clients have closed their connections
            await asyncio.gather(*handlers)


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_bodies_are_read_to_their_end_on_one_connection(answer: bytes, size: int) -> None:
    parts = [answer[at : at + size] for at in range(0, len(answer), size)]
    async with serving(parts) as (address, requests):
        connection = Connection(address)
        for _ in range(3):
            found = await connection.send(json_request(address, "/"), keep_body=True)
            assert (found.status, bytes(found.kept), found.size) == (200, b"0123456789", 10)
            assert found.complete
            assert found.began_s < found.arrivals[0][0] <= found.ended_s
        connection.close()
    assert requests == [3]


async def test_a_body_may_end_with_its_connection() -> None:
    async with serving([UNTIL_CLOSED[:22], UNTIL_CLOSED[22:]], closes=True) as (address, requests):
        connection = Connection(address)
        for _ in range(2):
            found = await connection.send(json_request(address, "/"), keep_body=True)
            assert (bytes(found.kept), found.complete) == (b"0123456789", True)
        connection.close()
    assert requests == [1, 1]


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("left_out", [1, 5])
async def test_a_body_that_is_cut_off_is_not_complete(answer: bytes, left_out: int) -> None:
    async with serving([answer[:-left_out]], closes=True) as (address, _):
        connection = Connection(address)
        assert not (await connection.send(json_request(address, "/"))).complete
        connection.close()


async def test_a_refusal_has_its_status() -> None:
    async with serving([b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]) as (address, _):
        connection = Connection(address)
        found = await connection.send(json_request(address, "/"))
        connection.close()
    assert (found.status, found.complete, found.size) == (503, True, 0)


async def test_the_first_audio_is_what_comes_behind_the_header() -> None:
    async with serving([LENGTH[:-6], LENGTH[-6:]]) as (address, _):
        connection = Connection(address)
        found = await connection.send(json_request(address, "/"))
        connection.close()
    assert found.first_after(0) == found.arrivals[0][0]
    assert found.first_after(4) == found.arrivals[1][0]
    assert found.first_after(10) is None


async def test_a_server_that_is_not_there_is_an_error() -> None:
    async with serving([LENGTH]) as (address, _):
        pass
    with pytest.raises(ConnectionRefusedError):
        await Connection(address).send(json_request(address, "/"))


def test_addresses_are_urls_of_http() -> None:
    assert Address.of("http://127.0.0.1:8004/api/") == Address("127.0.0.1", 8004, "/api")
    assert Address.of("localhost:80") == Address("localhost", 80)
    with pytest.raises(ValueError, match="no address"):
        Address.of("https://a.example")
