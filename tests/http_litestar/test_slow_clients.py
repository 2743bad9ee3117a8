"""Clients that read slowly, hardly ever or not to the end: they cost memory within bounds, and nobody else's turn."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import time
from collections.abc import Generator
from typing import Any, Final

import httpx
import psutil
import pytest
from support.in_process import serving, speech_service

from chatterbox_api.connections import Connection
from chatterbox_api_core.formats import FORMATS
from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_core.speech import SpeechLimits, SpeechService
from chatterbox_api_core.speech._read_ahead import ReadAhead
from chatterbox_api_core.speech._stream import SpeechStream
from chatterbox_api_core.speech.spool import Spool, SpoolBudget
from chatterbox_api_core.types import AudioFormat
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder
from chatterbox_api_http_litestar import HttpLimits
from chatterbox_api_http_litestar.body_drain import BodyDrain
from chatterbox_api_http_litestar.request_body import RequestBody
from chatterbox_api_testkit.sounds import sine, wav

LONG: Final = "This goes on and on. " * 40
STREAM: Final = {"input": LONG, "response_format": "wav-float", "stream": True, "sample_rate": 48_000}
"""50 s of sound, 10 MB: more than sockets hold."""
PLAYERS: Final = 12


async def test_players_at_the_pace_of_speech_hold_no_slot() -> None:
    """Twelve of them, at an engine with four slots; a thirteenth speaks at once."""
    budget = SpoolBudget(memory_bytes=2**20)
    service = speech_service(ToneSynthesizer(concurrent=4), wait_s=20, spool_budget=budget)
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        started = [asyncio.Event() for _ in range(PLAYERS)]
        players = [asyncio.create_task(_listen(client, each)) for each in started]
        await asyncio.gather(*(each.wait() for each in started))
        await _until(lambda: service.queue.running == 0)
        answer = await client.post("/v1/audio/speech", json={"input": "Me too."})
        assert answer.status_code == 200
        assert not any(player.done() for player in players), "they are listening still"
        assert budget.free_bytes("disk") < 2 * 2**30
        for player in players:
            player.cancel()
        await asyncio.gather(*players, return_exceptions=True)
        await _until(lambda: (budget.free_bytes("memory"), budget.free_bytes("disk")) == (2**20, 2 * 2**30))


async def _listen(client: httpx.AsyncClient, started: asyncio.Event) -> None:
    async with client.stream("POST", "/v1/audio/speech", json=STREAM) as answer:
        assert answer.status_code == 200
        async for _ in answer.aiter_raw(96_000):
            started.set()
            await asyncio.sleep(1)


async def _until(condition: object, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.02)


async def test_a_drip_has_an_end() -> None:
    """A client that takes a little before each deadline may not keep for ever what is made."""
    budget = SpoolBudget()
    service = speech_service(ToneSynthesizer(), spool_budget=budget)
    async with serving(service, limits=HttpLimits(send_stall_s=2.0, send_factor=0.02)) as url:
        host, port = url.removeprefix("http://").split(":")
        body = json.dumps(STREAM)
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((host, int(port)))
        with reader:
            head = "POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            reader.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            reader.setblocking(False)
            await asyncio.get_running_loop().sock_recv(reader, 1024)
            await _until(lambda: service.queue.running == 0)
            async with asyncio.timeout(60):
                while budget.free_bytes("memory") + budget.free_bytes("disk") < 64 * 2**20 + 2 * 2**30:
                    await asyncio.sleep(0.1)
                    with contextlib.suppress(BlockingIOError):
                        assert reader.recv(4096), "the connection is cut, not closed in order"


@pytest.mark.parametrize("audio_format", FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_result_beyond_its_bounds_is_refused_in_every_format(audio_format: AudioFormat, stream: bool) -> None:
    service = _service(SpeechLimits(max_audio_s=20.0))
    asked = {"response_format": audio_format.name, "stream": stream}
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        for text, more in (
            ("\n\n".join("A" * 10), {"paragraph_pause_ms": 2500}),
            ("A. [pause:10s] B. [pause:10s] C. [pause:10s]", {}),
        ):
            answer = await client.post("/v1/audio/speech", json={"input": text, **asked, **more})
            assert answer.status_code == 400, text
            error = answer.json()["error"]
            assert (error["code"], error["param"]) == ("output_too_long", "input")
        assert (service.queue.running, service.queue.waiting) == (0, 0)
        fits = await client.post("/v1/audio/speech", json={"input": "A. [pause:10s] B. [pause:9s]", **asked})
        assert fits.status_code == 200


def _service(limits: SpeechLimits) -> SpeechService:
    return speech_service(ToneSynthesizer(), encoders=[PyavEncoder(), SoundfileEncoder()], limits=limits)


@pytest.mark.parametrize("audio_format", FORMATS, ids=lambda each: each.name)
async def test_speech_that_turns_out_too_long_is_refused_whole_and_broken_off_streamed(
    audio_format: AudioFormat,
) -> None:
    service = _service(SpeechLimits(max_audio_s=5.0))
    body = {"input": LONG, "response_format": audio_format.name}
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.post("/v1/audio/speech", json={**body, "stream": False})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "output_too_long")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/v1/audio/speech", json={**body, "stream": True})
        assert (service.queue.running, service.queue.waiting) == (0, 0)


@pytest.mark.parametrize("audio_format", FORMATS, ids=lambda each: each.name)
async def test_a_body_has_a_bound_in_bytes_in_every_format(audio_format: AudioFormat) -> None:
    service = _service(SpeechLimits(max_body_bytes=30_000))
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        asked = {"response_format": audio_format.name, "stream": False}
        answer = await client.post("/v1/audio/speech", json={"input": LONG, **asked})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "output_too_long")
        assert "30,000 bytes" in answer.json()["error"]["message"]


@pytest.fixture
def no_collector() -> Generator[None, None, None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_aborted_streams_let_go_of_their_bytes_without_the_collector() -> None:
    service = speech_service(ToneSynthesizer(concurrent=4), spool_budget=SpoolBudget(spool_memory_bytes=16 * 2**20))
    process = psutil.Process()
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:

        async def abort(count: int) -> float:
            for _ in range(count):
                async with client.stream("POST", "/v1/audio/speech", json=STREAM) as answer:
                    await anext(answer.aiter_raw())
                    await _until(lambda: service.queue.running == 0)
            await asyncio.sleep(0.2)
            return process.memory_info().rss / 2**20

        before_mb = await abort(10)
        grown_mb = await abort(30) - before_mb
    assert grown_mb < 30, "thirty of them would hold 300 MB"


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("whole", [True, False], ids=["read", "left"])
@pytest.mark.parametrize("request_of", ["stream", "complete", "upload", "refused", "unknown"])
async def test_nothing_of_a_request_waits_for_the_collector(request_of: str, whole: bool) -> None:
    """However it ends: a reference cycle would keep it, a little for each request."""
    kinds = {BodyDrain, Connection, RequestBody, SpeechStream, ReadAhead, Spool}
    before = [each for each in gc.get_objects() if type(each) in kinds]  # what other tests still hold
    upload: dict[str, Any] = {"data": {"input": "Hi."}, "files": {"voice_file": ("a.wav", wav(sine(300, 2)))}}
    requests: dict[str, tuple[str, dict[str, Any]]] = {
        "stream": ("/v1/audio/speech", {"json": {**STREAM, "input": "Hi."} if whole else STREAM}),
        "complete": ("/v1/audio/speech", {"json": {"input": "Hi."}}),
        "upload": ("/v1/audio/speech/upload", upload),
        "refused": ("/v1/audio/speech", {"json": {"input": ""}}),
        "unknown": ("/v1/nothing", {"content": b"a"}),
    }
    path, content = requests[request_of]

    def left() -> list[str]:
        known = set(map(id, before))
        return [type(each).__name__ for each in gc.get_objects() if type(each) in kinds and id(each) not in known]

    async with serving(speech_service(ToneSynthesizer())) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            for _ in range(3):
                async with client.stream("POST", path, **content) as answer:
                    await (answer.aread() if whole else anext(answer.aiter_raw()))
        deadline = time.monotonic() + 10
        while left() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert left() == []
