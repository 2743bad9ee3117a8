"""How connections end: cut off where an answer is, in order where it is complete, and when their clients are gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest
from support.in_process import serving, speech_service

from chatterbox_api.connection_limits import ConnectionLimits
from chatterbox_api.connections import Connection, Connections
from chatterbox_api.server import Drain, HttpServer, Signals, hold_port, listening, serve
from chatterbox_api.unread_response import UnreadResponse
from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_core.types import Pcm, Utterance, VoicePrompt

HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


class Failing(ToneSynthesizer):
    """Fails in the middle of what it says if that has a `!`."""

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        said = 0
        async for pcm in super().speak(utterance, prompt):
            yield pcm
            said += 1
            if said == 20 and "!" in utterance.text:
                raise RuntimeError("the engine failed")


@contextlib.asynccontextmanager
async def serving_app(app: Any, limits: ConnectionLimits | None = None) -> AsyncGenerator[tuple[int, HttpServer], None]:
    with hold_port("127.0.0.1", 0) as sock:
        async with listening(app, sock, limits=limits) as server:
            yield sock.getsockname()[1], server


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def _received(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """All that comes, and whether a reset ends it."""
    data = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(2**16), 30):
            data += chunk
    except ConnectionResetError:
        return data, True
    return data, False


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "pcm"])
async def test_to_http_1_0_an_unfinished_answer_ends_with_a_reset(audio_format: str) -> None:
    async with serving(speech_service(Failing())) as url:
        for text, is_reset in (("Hello there. " * 9, False), ("Hello there! " * 9, True)):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            body = json.dumps({"input": text, "response_format": audio_format, "stream": True}).encode()
            head = b"POST /v1/audio/speech HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
            data, was_reset = await _received(reader)
            assert was_reset == is_reset
            assert data.startswith(b"HTTP/1.1 200 ")
            writer.close()


@pytest.mark.parametrize("raises", [False, True])
async def test_any_application_that_does_not_end_its_answer_is_cut_off(raises: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.sleep(0.2)
        if raises:
            raise ValueError

    async with serving_app(app) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        data, was_reset = await _received(reader)
        assert (data[-4:], was_reset) == (b"half", True)
        writer.close()


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0"])
async def test_an_offer_to_upgrade_is_not_taken_and_not_logged(
    protocol: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(speech_service(ToneSynthesizer())) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for _ in range(2):
            writer.write(HEALTH[:-2] + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n")
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}}")
        writer.close()
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


@pytest.mark.parametrize("behind", [HEALTH, b"GET /hea", HEALTH * 900, b"Upgrade"])
async def test_a_client_that_sends_more_and_leaves_gives_its_place_back(behind: bytes) -> None:
    service = speech_service(ToneSynthesizer(pace=50), wait_s=60)
    async with serving(service) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        body = b'{"input": "Hello."}'
        upgrade, behind = (b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"") if behind == b"Upgrade" else (b"", behind)
        head = b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + upgrade
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await _until(lambda: service.queue.running == 1)
        writer.write(behind)
        if len(behind) > 2**15:
            assert (await _received(reader))[0] == b""
        writer.close()
        await _until(lambda: service.queue.running == 0)


async def test_requests_that_arrive_together_are_answered_in_turn() -> None:
    async with serving(speech_service(ToneSynthesizer())) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(HEALTH * 100)
        for _ in range(100):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}}")
        writer.close()


async def test_the_rest_of_a_body_may_take_the_time_of_a_body() -> None:
    """It comes slowly behind its answer, for longer than a head may take; then the connection serves again."""
    limits = ConnectionLimits(header_s=0.7, keep_alive_s=0.7, body_s=20)
    async with serving(speech_service(ToneSynthesizer()), connections=limits) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n")
        assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}}")
        for _ in range(40):
            await asyncio.sleep(0.05)
            writer.write(b"a")
        writer.write(HEALTH)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}}")
        assert await _received(reader) == (b"", False)
        writer.close()


async def test_one_connection_that_fails_does_not_end_the_times_of_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    check, failed = Connection.check, set[Connection]()

    def check_or_fail(connection: Connection, now: float) -> None:
        if not failed or connection in failed:
            failed.add(connection)
            raise OSError("not connected")
        check(connection, now)

    monkeypatch.setattr(Connection, "check", check_or_fail)
    limits = ConnectionLimits(header_s=1.5)
    async with serving(speech_service(ToneSynthesizer()), connections=limits) as url:
        opened = [await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2])) for _ in range(3)]
        for reader, writer in opened:
            assert await _received(reader) == (b"", False)
            writer.close()
    assert [record.message for record in caplog.records if record.exc_info] == [
        "the limits of a connection could not be checked; it is closed"
    ]


async def test_a_sweep_that_fails_is_followed_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, calls = Connections.sweep, 0

    def sweep_or_fail(connections: Connections) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ValueError
        sweep(connections)

    monkeypatch.setattr(Connections, "sweep", sweep_or_fail)
    async with serving(speech_service(ToneSynthesizer())):
        await _until(lambda: calls > 3)


@pytest.mark.parametrize(
    ("bytes_s", "is_late"), [(0, True), (70, True), (900, True), (1100, False), (2000, False), (16_000, False)]
)
def test_a_client_has_a_minimum_rate(bytes_s: int, is_late: bool) -> None:
    """However long it takes; and what it takes at first earns it no time to take nothing later."""
    for at_first in (0, 10_000_000):
        unsent = UnreadResponse(0, 0.0, stall_s=60)
        assert not unsent.is_late(at_first, 1.0)
        late = [second for second in range(2, 1000) if unsent.is_late(at_first + bytes_s * second, float(second))]
        assert bool(late) == is_late
        assert not late or 60 <= late[0] <= 62


async def test_a_stalled_answer_gives_its_place_to_a_newcomer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(2**25 if scope["path"] == "/large" else 4)})

    limits = ConnectionLimits(connections=4, idle_s=0.5)
    async with serving_app(app, limits) as (port, server), contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await _until(lambda: len(server.connections) == 4 and all(each.is_stalled for each in server.connections))
        async with httpx.AsyncClient(timeout=30) as newcomer:
            assert (await newcomer.get(f"http://127.0.0.1:{port}/")).status_code == 200


async def test_abort_waits_for_what_it_cancels() -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.3)
            cleaned.set()

    async with serving_app(app) as (port, server):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEALTH)
        await _until(lambda: bool(server.request_count))
        await server.abort(within_s=1.0)
        assert cleaned.is_set()
        writer.close()


async def test_a_stop_that_fails_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def stop(_: HttpServer) -> None:
        raise ValueError("of the test")

    monkeypatch.setattr(HttpServer, "stop", stop)
    signals: Signals = asyncio.Queue()
    with hold_port("127.0.0.1", 0) as sock:
        await serve(
            None,
            sock,
            drain=Drain(0, 10),
            signals=signals,
            limits=ConnectionLimits(),
            on_listening=lambda: signals.put_nowait(signal.SIGINT),
        )
    assert "of the test" in caplog.text


def test_a_port_is_free_whose_former_connections_linger() -> None:
    """Of any program, whatever it said of sharing the port; and a port that somebody has is refused."""
    with socket.create_server(("127.0.0.1", 0)) as former:
        address = former.getsockname()
        with socket.create_connection(address):
            former.accept()[0].close()  # who closes first waits a minute for late segments
    with hold_port(*address) as ours:
        assert ours.getsockname() == address
        ours.listen()
        with pytest.raises(ConfigurationError), hold_port(*address):
            pass
