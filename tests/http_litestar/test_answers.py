"""Answers on a running server: what is logged of each, and what an answer that nobody reads keeps from others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator

import httpx
import psutil
import pytest
from support.in_process import library_of, serving, speech_service

from chatterbox_api_core.errors import SynthesisFailed
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer
from chatterbox_api_core.speech import SpeechRequest, SpeechService, SpeechStream
from chatterbox_api_http_litestar import HttpLimits
from chatterbox_api_testkit.sounds import sine, wav

LONG = "This goes on and on. " * 40
CLIP = wav(sine(300, 20))
LOGGER = "chatterbox_api_http_litestar.streaming_response"
CUT = (httpx.RemoteProtocolError, httpx.ReadError)


class BreakingService(SpeechService):
    """Speech whose stream raises `error` after its first bytes."""

    error: Exception

    def stream(self, *args: object, **kwargs: object) -> SpeechStream:
        stream = super().stream(*args, **kwargs)  # type: ignore[arg-type]
        original, error = stream.__aiter__, self.error

        class Breaking(type(stream)):  # type: ignore[misc]
            def __aiter__(self) -> AsyncIterator[bytes]:
                async def parts() -> AsyncGenerator[bytes, None]:
                    async for data in original():
                        yield data
                        raise error

                return parts()

        stream.__class__ = Breaking
        return stream


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == LOGGER]


async def until(condition: object, within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("text", ["Hello.", LONG])
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_an_answer_that_is_read_is_done(
    caplog: pytest.LogCaptureFixture, stream: bool, text: str, connection: str
) -> None:
    caplog.set_level(logging.INFO)
    headers = {"connection": connection}
    async with serving(speech_service(ToneSynthesizer())) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        body = {"input": text, "stream": stream, "response_format": "wav"}
        answer = await client.post("/v1/audio/speech", json=body, headers=headers)
        assert answer.status_code == 200
        await until(lambda: records(caplog))
    (record,) = records(caplog)
    assert " speech done: " in record.getMessage()
    assert f"bytes={len(answer.content)} " in record.getMessage()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_is_no_answer_that_is_done(caplog: pytest.LogCaptureFixture, stream: bool) -> None:
    caplog.set_level(logging.INFO)
    body = {"input": LONG, "stream": stream, "response_format": "wav-float", "sample_rate": 48_000}
    async with serving(speech_service(ToneSynthesizer())) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        async with client.stream("POST", "/v1/audio/speech", json=body) as answer:
            await anext(answer.aiter_raw(1000))
        await until(lambda: records(caplog))
    (record,) = records(caplog)
    assert " speech client disconnected: " in record.getMessage()


@pytest.mark.parametrize("error", [RuntimeError("a defect"), KeyError("x"), TimeoutError(), OSError("disk")])
async def test_a_defect_in_mid_stream_is_logged_once_with_where_it_is(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.INFO)
    await _break(error)
    (record,) = records(caplog)
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is error


async def test_a_known_failure_in_mid_stream_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await _break(SynthesisFailed("The engine failed."))
    (record,) = records(caplog)
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert record.getMessage().endswith("speech failed: synthesis_failed")


async def _break(error: Exception) -> None:
    service = speech_service(ToneSynthesizer())
    service.__class__ = BreakingService
    service.error = error  # type: ignore[attr-defined]
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        with pytest.raises(CUT):
            await client.post("/v1/audio/speech", json={"input": "Hello.", "stream": True})


async def test_an_answer_left_unread_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    body = json.dumps({"input": LONG, "response_format": "wav-float", "sample_rate": 48_000}).encode()
    limits = HttpLimits(send_stall_s=0.5)
    async with serving(speech_service(ToneSynthesizer()), limits=limits) as url:
        with unread(url, "POST /v1/audio/speech", "application/json", body):
            await until(lambda: records(caplog))
    (record,) = records(caplog)
    assert (record.levelno, record.exc_info) == (logging.INFO, None)
    assert record.getMessage().endswith("speech failed: answer_unread")


@contextlib.contextmanager
def unread(url: str, what: str, content_type: str = "", body: bytes = b"") -> Generator[socket.socket, None, None]:
    """A request whose answer nobody reads, while the block runs."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with client:
        client.connect((host, int(port)))
        head = (
            f"{what} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.setblocking(False)
        sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(client, head.encode() + body))
        try:
            yield client
        finally:
            sending.cancel()


def upload(voice: str = "") -> tuple[str, bytes]:
    fields = {"input": LONG, "response_format": "wav-float", "sample_rate": "48000", "stream": "true", "voice": voice}
    request = httpx.Request("POST", "http://x", data=fields, files={"voice_file": ("a.wav", CLIP)})
    return request.headers["content-type"], request.read()


async def test_slow_listeners_of_uploads_keep_no_upload_out() -> None:
    """Their sound is made; the clips that it was made from are let go of, while it is still being read."""
    limits = HttpLimits(bodies_loaded_bytes=len(CLIP) * 2, load_wait_s=20.0)
    service = speech_service(ToneSynthesizer(concurrent=4))
    async with serving(service, limits=limits) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        with contextlib.ExitStack() as listeners:
            kind, body = upload()
            for _ in range(6):
                listeners.enter_context(unread(url, "POST /v1/audio/speech/upload", kind, body))
            answer = await client.post(
                "/v1/audio/speech/upload", data={"input": "Me too."}, files={"voice_file": ("a.wav", CLIP)}
            )
            assert answer.status_code == 200


async def test_a_clip_is_let_go_of_when_it_is_no_longer_needed() -> None:
    """Neither the clip that was sent nor the one of the library: nobody refers to them who did not before."""
    done: list[str] = []
    store = MemoryStore()
    voice, _ = await library_of(store).create("Anna", CLIP, filename="a.wav")
    service = speech_service(ToneSynthesizer(), store=store)
    clip = bytes(bytearray(CLIP))  # a copy of its own, whose references are counted
    unused = sys.getrefcount(clip)
    for named, early in ((None, False), ("Anna", True)):
        stream = service.stream(SpeechRequest("Hello.", voice=named, clip=clip))
        assert sys.getrefcount(clip) > unused
        done.clear()
        stream.on_clip_done = lambda: done.append("done")
        async with stream:
            assert bool(done) == early
            await stream.size_bytes()
            await until(lambda: done)
            assert stream.voice.voice == (voice if named else None)
            assert sys.getrefcount(clip) == unused, "nothing holds the clip of a stream whose sound is made"
        assert done == ["done"]


async def test_a_long_request_in_json_is_not_kept_while_it_is_spoken() -> None:
    service = speech_service(ToneSynthesizer())
    limits = HttpLimits(bodies_memory_bytes=300_000, bodies_file_bytes=0)
    padded = json.dumps({"input": LONG, "response_format": "wav-float", "sample_rate": 48_000, "x": "y" * 200_000})
    async with serving(service, limits=limits) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        with unread(url, "POST /v1/audio/speech", "application/json", padded.encode()) as listener:
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(listener, 100), 30)
            answer = await client.post("/v1/audio/speech", content=padded, headers={"content-type": "application/json"})
            assert answer.status_code == 200


async def test_downloads_that_nobody_reads_cost_no_copy_each() -> None:
    store = MemoryStore()
    clip = wav(sine(300, 100, sample_rate_hz=48_000))
    await library_of(store).create("Anna", clip, filename="a.wav")
    process = psutil.Process()
    service = speech_service(ToneSynthesizer(), store=store)
    async with serving(service, store=store) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        answer = await client.get("/voices/Anna/download")
        assert (answer.content, answer.headers["content-length"]) == (clip, str(len(clip)))
        head = await client.head("/voices/Anna/download")
        assert (head.content, head.headers["content-length"]) == (b"", str(len(clip)))
        assert head.headers["content-type"] == answer.headers["content-type"] == "audio/wav"
        before = process.memory_info().rss
        with contextlib.ExitStack() as downloads:
            for _ in range(20):
                listener = downloads.enter_context(unread(url, "GET /voices/Anna/download"))
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(listener, 100), 30)
            grown = process.memory_info().rss - before
        assert grown < 5 * len(clip), f"{grown:,} bytes for 20 of {len(clip):,}"


async def test_a_download_that_nobody_reads_has_an_end() -> None:
    store = MemoryStore()
    await library_of(store).create("Anna", wav(sine(300, 100, sample_rate_hz=48_000)), filename="a.wav")
    service = speech_service(ToneSynthesizer(), store=store)
    async with serving(service, store=store, limits=HttpLimits(send_stall_s=0.5)) as url:
        with unread(url, "GET /voices/Anna/download") as listener:
            await asyncio.sleep(1.5)
            with contextlib.suppress(ConnectionResetError):
                async with asyncio.timeout(20):
                    while await asyncio.get_running_loop().sock_recv(listener, 2**20):
                        pass
