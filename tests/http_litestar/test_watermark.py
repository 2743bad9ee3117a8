"""`POST /audio/watermark`: what it takes, what it answers, and what it says where nothing can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from support.in_process import serving, speech_service
from support.pilot import PilotDetector, marked_wav, unmarked_wav

from chatterbox_api_core.errors import ConfigurationError, SynthesisFailed, Unavailable
from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_core.speech.request_queue import RequestQueue
from chatterbox_api_core.watermarks import Watermarks
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_http_litestar import HttpLimits

PATHS = ("/v1/audio/watermark", "/audio/watermark")


@asynccontextmanager
async def client(
    detector: PilotDetector | None, *, limits: HttpLimits | None = None, queue: int = 16
) -> AsyncGenerator[httpx.AsyncClient, None]:
    watermarks = None
    if detector is not None:
        requests = RequestQueue(slots=1, max_waiting=queue, wait_s=30)
        watermarks = Watermarks(detector=detector, clip_reader=InProcessClipReader(), queue=requests)
    async with serving(speech_service(ToneSynthesizer()), limits=limits, watermarks=watermarks) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as found:
            yield found


def form(data: bytes, *, field: str = "file") -> dict[str, Any]:
    return {"files": {field: ("recording.bin", data, "application/octet-stream")}}


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    told = answer.json()["error"]
    assert answer.headers["x-request-id"]
    return answer.status_code, told["code"], told["param"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_recording_is_judged(path: str) -> None:
    async with client(PilotDetector()) as service:
        marked = await service.post(path, **form(marked_wav(2.0)))
        unmarked = await service.post(path, **form(unmarked_wav()))
    assert marked.status_code == unmarked.status_code == 200
    assert set(marked.json()) == {"watermarked", "confidence", "duration_s"}
    assert (marked.json()["watermarked"], unmarked.json()["watermarked"]) == (True, False)
    assert marked.json()["confidence"] > 0.9 > 0.1 > unmarked.json()["confidence"]
    assert marked.json()["duration_s"] == 2.0


async def test_what_the_service_says_can_be_sent_back_in_every_format() -> None:
    """The mark is a pitch here, which the tone engine speaks in where a clip of that pitch is its voice."""
    async with client(PilotDetector()) as service:
        for name in ("wav", "mp3", "flac", "opus", "aac", "m4a", "webm"):
            spoken = await service.post(
                "/v1/audio/speech/upload",
                data={"input": "One two three four five six.", "response_format": name},
                files={"voice_file": ("me.wav", marked_wav(3.0))},
            )
            assert spoken.status_code == 200, spoken.text
            found = await service.post(PATHS[0], **form(spoken.content))
            assert found.status_code == 200, (name, found.text)
            assert found.json()["watermarked"] is True, (name, found.json())
        unmarked = await service.post("/v1/audio/speech", json={"input": "One two three four five six."})
        assert (await service.post(PATHS[0], **form(unmarked.content))).json()["watermarked"] is False


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_detector_it_says_what_to_install(path: str) -> None:
    async with client(None) as service:
        answer = await service.post(path, **form(marked_wav()))
    assert error(answer) == (501, "watermark_unsupported", None)
    assert "hatch run chatterbox:serve" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"


async def test_wrong_requests_name_what_is_wrong() -> None:
    async with client(PilotDetector()) as service:

        async def sent(**what: Any) -> tuple[int, str, str | None]:
            return error(await service.post(PATHS[0], **what))

        assert await sent(**form(marked_wav(0.5))) == (400, "audio_too_short", "file")
        assert await sent(**form(b"Dear Anna,\n" * 100)) == (400, "invalid_audio", "file")
        assert await sent(**form(marked_wav(), field="voice_file")) == (400, "invalid_multipart", "voice_file")
        assert await sent(data={"file": "me.wav"}) == (400, "invalid_multipart", "file")
        assert await sent(files={"other": (None, "text")}) == (400, "invalid_multipart", "file")
        assert await sent(json={"file": "me.wav"}) == (415, "unsupported_media_type", None)
        assert await sent(content=marked_wav(), headers={"content-type": "audio/wav"}) == (
            *(415, "unsupported_media_type"),
            None,
        )
        assert (await service.get(PATHS[0])).status_code == 405
        assert (await service.post(PATHS[0], **form(marked_wav()))).json()["watermarked"] is True


async def test_too_much_is_refused() -> None:
    async with client(PilotDetector(), limits=HttpLimits(file_bytes=40_000, upload_bytes=60_000)) as service:
        assert error(await service.post(PATHS[0], **form(marked_wav(1.5)))) == (413, "request_too_large", "file")
        assert error(await service.post(PATHS[0], **form(marked_wav(3.0))))[:2] == (413, "request_too_large")
        assert (await service.post(PATHS[0], **form(marked_wav(1.1)))).status_code == 200


@pytest.mark.parametrize(
    ("failure", "status", "retry"),
    [
        (SynthesisFailed("It broke."), 500, None),
        (SynthesisFailed("It died.", code="engine_died"), 500, "false"),
        (Unavailable("It is away.", code="engine_unavailable", retry_after_s=7), 503, None),
        (ConfigurationError("It lacks a part.", code="watermark_missing"), 500, "false"),
    ],
)
async def test_a_detector_that_fails_is_an_answer(failure: Any, status: int, retry: str | None) -> None:
    async with client(PilotDetector(failure=failure)) as service:
        answer = await service.post(PATHS[0], **form(marked_wav()))
        assert error(answer) == (status, failure.code, None)
        assert answer.headers.get("x-should-retry") == retry
        assert answer.headers.get("retry-after") == ("7" if status == 503 else None)
        assert (await service.get("/ready")).status_code == 200


async def test_a_flood_is_told_to_come_back() -> None:
    detector = PilotDetector()
    detector.release.clear()
    async with client(detector, queue=1) as service:
        waiting = [asyncio.create_task(service.post(PATHS[0], **form(marked_wav()))) for _ in range(4)]
        done, pending = await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            more, pending = await asyncio.wait(pending, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert more
            done |= more
        assert {error(task.result())[:2] for task in done} == {(429, "overloaded")}
        detector.release.set()
        answers = await asyncio.gather(*pending)
    assert [answer.json()["watermarked"] for answer in answers] == [True, True]
