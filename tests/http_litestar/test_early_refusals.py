"""Requests that are refused before their body is read, over real sockets: the client sees why."""

from __future__ import annotations

import asyncio

import pytest
from support.in_process import serving, speech_service

from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_http_litestar import HttpLimits

BODY = bytes(8 * 2**20)
CASES = [
    ("POST /v1/nothing", "", 404),
    ("PUT /v1/audio/speech", "", 405),
    ("POST /v1/audio/speech", "Content-Type: text/plain\r\n", 415),
    ("POST /v1/audio/speech/upload", "Content-Type: application/json\r\n", 415),
    ("POST /v1/voices", "Origin: https://evil.example\r\n", 403),
    ("GET /v1/nothing", "", 404),
]
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


async def ask(url: str, version: str, what: str, headers: str, body: bytes = BODY) -> bytes:
    """All that comes back, from a client that sends everything before it reads."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(30):
            writer.write(f"{what} HTTP/{version}\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
            for start in range(0, len(body), 2**16):
                writer.write(body[start : start + 2**16])
                await writer.drain()
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(("what", "headers", "status"), CASES)
@pytest.mark.parametrize("how", ["1.0", "close", "Close", "te, close", "chunked"])
async def test_the_answer_arrives(how: str, what: str, headers: str, status: int) -> None:
    version = "1.0" if how == "1.0" else "1.1"
    length = "Transfer-Encoding: chunked" if how == "chunked" else f"Content-Length: {len(BODY)}"
    connection = "" if how == "1.0" else f"Connection: {'close' if how == 'chunked' else how}\r\n"
    async with serving(speech_service(ToneSynthesizer())) as url:
        body = CHUNKED if how == "chunked" else BODY
        answer = await ask(url, version, what, f"{headers}{connection}{length}\r\n", body)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:100]
    assert answer.endswith(b"}")


@pytest.mark.parametrize(("what", "headers", "status"), CASES)
async def test_a_body_that_waits_to_be_asked_for_is_not(what: str, headers: str, status: int) -> None:
    async with serving(speech_service(ToneSynthesizer()), limits=HttpLimits(receive_s=20)) as url:
        waiting = f"{headers}Connection: close\r\nExpect: 100-continue\r\nContent-Length: 99\r\n"
        answer = await ask(url, "1.1", what, waiting, b"")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:100]
    assert b"100 Continue" not in answer


async def test_a_body_that_stops_keeps_its_answer_only_a_little() -> None:
    async with serving(speech_service(ToneSynthesizer()), limits=HttpLimits(receive_s=20)) as url:
        answer = await ask(url, "1.0", "POST /v1/nothing", "Content-Length: 99999\r\n", b"half")
    assert answer.startswith(b"HTTP/1.1 404 ")
