"""Whatever a client sends, the answer is an error of one shape that names the field, and never our fault."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from support.in_process import serving, speech_service

from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_http_litestar import HttpLimits
from chatterbox_api_testkit.sounds import sine, wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncGenerator[httpx.AsyncClient, None]:
    limits = HttpLimits(body_bytes=200_000, upload_bytes=3 * 2**20, parts=20, receive_s=2)
    async with serving(speech_service(ToneSynthesizer()), limits=limits) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            yield client


def check_error(answer: httpx.Response, status: int, code: str, param: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"].endswith(".")
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"3", b'"text"', b"null", b"\xff\xfe{", b'{"input": "\xff"}'),
        *('{"input": "a"}'.encode("utf-16"), b'{"a":' * 30_000, b"[" * 100_000, b'{"input": NaN}', b'{"speed": 1e999}'),
        b'{"input": "a"} trailing',
    ],
)
async def test_what_is_no_json_object(client: httpx.AsyncClient, body: bytes) -> None:
    check_error(await client.post("/v1/audio/speech", content=body, headers=JSON), 400, "invalid_json")


async def test_a_byte_order_mark_is_no_error(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/audio/speech", content=b'\xef\xbb\xbf{"input": "Hello."}', headers=JSON)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "audio/wav"])
async def test_other_content_types(client: httpx.AsyncClient, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = await client.post("/v1/audio/speech", content=b'{"input": "a"}', headers=headers)
    check_error(answer, 415, "unsupported_media_type")
    answer = await client.post("/v1/audio/speech/upload", content=b"{}", headers=JSON)
    check_error(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"input": None}, 400, "empty_input", "input"),
        ({"input": ""}, 400, "empty_input", "input"),
        ({"input": " \u200b\n"}, 400, "empty_input", "input"),
        ({"input": "a" * 4097}, 400, "input_too_long", "input"),
        ({"input": 3}, 400, "invalid_type", "input"),
        ({"input": ["a"]}, 400, "invalid_type", "input"),
        ({"speed": 0}, 400, "invalid_speed", "speed"),
        ({"speed": 0.24}, 400, "invalid_speed", "speed"),
        ({"speed": 4.01}, 400, "invalid_speed", "speed"),
        ({"speed": "1.0"}, 400, "invalid_speed", "speed"),
        ({"response_format": "MP4"}, 400, "unsupported_format", "response_format"),
        ({"response_format": ""}, 400, "unsupported_format", "response_format"),
        ({"response_format": 3}, 400, "unsupported_format", "response_format"),
        ({"stream_format": "morse"}, 400, "unsupported_stream_format", "stream_format"),
        ({"model": "whisper-1"}, 404, "model_not_found", "model"),
        ({"seed": -1}, 400, "invalid_seed", "seed"),
        ({"seed": 1.5}, 400, "invalid_seed", "seed"),
        ({"language": "xx"}, 400, "unsupported_language", "language"),
        ({"voice": "nobody"}, 404, "voice_not_found", "voice"),
        ({"voice": "../../etc/passwd"}, 400, "invalid_voice", "voice"),
        ({"voice": "/etc/passwd"}, 400, "invalid_voice", "voice"),
        ({"voice": "..%2f"}, 400, "invalid_voice", "voice"),
        ({"voice": "%00"}, 400, "invalid_voice", "voice"),
        ({"voice": "\0"}, 400, "invalid_voice", "voice"),
        ({"voice": "C:\\"}, 400, "invalid_voice", "voice"),
        ({"voice": "v" * 10_000}, 400, "invalid_voice", "voice"),
        ({"voice": {}}, 400, "invalid_voice", "voice"),
        ({"voice": {"id": 1}}, 400, "invalid_voice", "voice"),
        ({"voice": {"id": ""}}, 400, "invalid_voice", "voice"),
        ({"voice": "\ufdfa" * 30_000}, 400, "invalid_voice", "voice"),
        ({"voice": []}, 400, "invalid_voice", "voice"),
        ({"voice": "http://127.0.0.1:9/a.wav"}, 400, "invalid_voice", "voice"),
        ({"voice": {"id": "voice_" + "0" * 26}}, 404, "voice_not_found", "voice"),
    ],
)
async def test_each_bad_field_is_named(
    client: httpx.AsyncClient, fields: dict[str, Any], status: int, code: str, param: str
) -> None:
    answer = await client.post("/v1/audio/speech", json={"input": "Hello.", **fields})
    check_error(answer, status, code, param)
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "fields",
    [
        {"unknown": {"deep": [1, 2]}},
        {"voice": None, "speed": None, "response_format": None, "model": None, "seed": None},
        {"voice": ""},
        {"voice": "alloy"},
        {"input": "a\0b\x07c \u202edrow\u202c"},
        {"input": '<speak><break time="9s"/>a</speak>'},
        {"input": "a" + "\u0301" * 4095},
        {"input": "w" * 4096, "speed": 4},
        {"model": "gpt-4o-mini-tts-2025"},
    ],
)
async def test_odd_but_fine(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    answer = await client.post("/v1/audio/speech", json={"input": "Hello.", **fields})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'--x\r\nContent-Disposition: form-data; name="input"\r\n\r\nHello\r\n--x--\r\n', "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="input"\r\n\r\nHel', "multipart/form-data; boundary=x"),
        (b"Hello", "multipart/form-data; boundary=x"),
    ],
    ids=["no-boundary", "truncated", "no-part"],
)
async def test_damaged_forms(client: httpx.AsyncClient, content: bytes, headers: str) -> None:
    answer = await client.post("/audio/speech/upload", content=content, headers={"content-type": headers})
    check_error(answer, 400, "invalid_multipart")


@pytest.mark.parametrize("charset", ["punycode", "utf-16", "unicode_escape", "utf-7", "zlib", "foo"])
async def test_text_in_another_charset_is_refused_at_once(client: httpx.AsyncClient, charset: str) -> None:
    """Some of Python's charsets take minutes for this, or make surrogates of it."""
    head = f'--x\r\nContent-Disposition: form-data; name="input"\r\nContent-Type: text/plain; charset={charset}\r\n\r\n'
    body = head.encode() + b"a-" * 90_000 + b"\r\n--x--\r\n"
    began = time.perf_counter()
    answer = await client.post(
        "/audio/speech/upload", content=body, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    check_error(answer, 400, "invalid_multipart", "input")
    assert time.perf_counter() - began < 2


async def test_texts_of_a_form_are_bounded_together(client: httpx.AsyncClient) -> None:
    many = [(f"field{number}", (None, "x" * 30_000)) for number in range(10)]
    check_error(await client.post("/audio/speech/upload", files=many), 413, "request_too_large")


async def test_fields_and_files_in_each_others_place(client: httpx.AsyncClient) -> None:
    text_as_file = {"input": (None, "Hello."), "voice_file": (None, "no file")}
    check_error(await client.post("/audio/speech/upload", files=text_as_file), 400, "invalid_multipart", "voice_file")
    file_as_text = {"input": ("a.txt", b"Hello.")}
    check_error(await client.post("/audio/speech/upload", files=file_as_text), 400, "invalid_multipart", "input")
    many = [(f"field{number}", (None, "x")) for number in range(30)]
    check_error(await client.post("/audio/speech/upload", files=many), 413, "request_too_large")


def nan_wav() -> bytes:
    body = struct.pack("<24000f", *[float("nan")] * 24_000)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16, 3, 1, 16000, 64000, 4, 32)
    return head + struct.pack("<4sI", b"data", len(body)) + body


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"%PDF-1.7 nothing to hear", "invalid_audio"),
        (wav(sine(440, 2))[:44], "invalid_audio"),
        (nan_wav(), "invalid_audio"),
        (wav(sine(440, 0.5)), "audio_too_short"),
        (wav(sine(440, 310, sample_rate_hz=4000)), "audio_too_long"),
    ],
    ids=["pdf", "header-only", "nan", "short", "long"],
)
async def test_clips_that_cannot_serve(client: httpx.AsyncClient, data: bytes, code: str) -> None:
    files = {"voice_file": ("../../e.wav", data)}
    answer = await client.post("/audio/speech/upload", data={"input": "Hello."}, files=files)
    check_error(answer, 400, code, "voice_file")


@pytest.mark.parametrize("sized", [True, False])
async def test_too_large(client: httpx.AsyncClient, sized: bool) -> None:
    async def chunks(size: int) -> AsyncGenerator[bytes, None]:
        for _ in range(size // 50_000):
            yield b" " * 50_000
            await asyncio.sleep(0)

    for path, size, kind in (
        ("/v1/audio/speech", 300_000, "application/json"),
        ("/v1/audio/speech/upload", 4 * 2**20, "multipart/form-data; boundary=x"),
    ):
        content = b" " * size if sized else chunks(size)
        answer = await client.post(path, content=content, headers={"content-type": kind})
        check_error(answer, 413, "request_too_large")
        limit = "200,000" if kind == "application/json" else f"{3 * 2**20:,}"
        assert f"larger than the {limit} bytes" in answer.json()["error"]["message"]


async def test_a_body_that_never_comes(client: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    head = b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    writer.write(head + b'{"input": ')
    answer = await asyncio.wait_for(reader.readuntil(b"}}"), 5)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"request_timeout"' in answer
    writer.close()


async def test_addresses_and_methods(client: httpx.AsyncClient) -> None:
    check_error(await client.get("/v1/nothing"), 404, "not_found")
    refused = await client.get("/v1/audio/speech")
    check_error(refused, 405, "method_not_allowed")
    assert "POST" in refused.headers["allow"]
    check_error(await client.get("/v1/models/whisper"), 404, "model_not_found", "model")
    assert (await client.head("/health")).status_code == 200
    assert (await client.options("/v1/audio/speech")).status_code == 204


@pytest.mark.parametrize("given", ["<script>", "a" * 200, "ä", ""])
async def test_a_hostile_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health", headers=[(b"x-request-id", given.encode())])
    assert answer.headers["x-request-id"] != given
    assert (await client.get("/health", headers={"x-request-id": "mine-1"})).headers["x-request-id"] == "mine-1"


async def test_a_huge_header_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health", headers={"x-big": "a" * 1_000_000})).status_code == 431


async def test_the_service_is_whole_afterwards(client: httpx.AsyncClient) -> None:
    for body in (b"{", b"[" * 100_000, json.dumps({"input": "a", "voice": "x" * 99}).encode()):
        await client.post("/v1/audio/speech", content=body, headers=JSON)
    assert (await client.get("/health")).json()["requests"] == {"running": 0, "waiting": 0}
    assert (await client.post("/v1/audio/speech", json={"input": "Hello."})).status_code == 200
