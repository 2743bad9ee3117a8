"""Speech over a real server: voices that do not mix, streams that stop, failures that look like failures."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import openai
import pytest
from support.in_process import cpu_monitor, serving, speech_service

from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_core.speech import SpeechLimits
from chatterbox_api_core.types import Capabilities, ClipLimits, Pcm, Utterance, VoicePrompt
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_http_litestar import HttpLimits
from chatterbox_api_testkit.sounds import frequency_hz, sine, wav

LONG = "This goes on and on. " * 100
ANY_LENGTH = ClipLimits(min_duration_s=0, max_duration_s=3600, max_bytes=2**30)


class WatchedTone(ToneSynthesizer):
    """The tone engine, with an eye on how many of its generators are open."""

    def __init__(self, **options: float) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.open = 0

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        self.open += 1
        try:
            async for pcm in super().speak(utterance, prompt):
                yield pcm
        finally:
            self.open -= 1

    async def closed_within(self, seconds: float) -> bool:
        deadline = time.perf_counter() + seconds
        while self.open and time.perf_counter() < deadline:
            await asyncio.sleep(0.005)
        return not self.open


class FailingEngine:
    """Fails after so many stretches of sound."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.capabilities = Capabilities(
            supports_cloning=False,
            languages=(),
            sample_rate_hz=24_000,
            max_concurrency=4,
            max_chars=400,
            speed=(0.25, 4),
        )

    async def ready(self) -> None:
        return

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        for _ in range(self._after):
            await asyncio.sleep(0)
            yield sine(440, 0.3)
        raise RuntimeError("out of memory at 0xdeadbeef")


def read(data: bytes) -> Pcm:
    return InProcessClipReader().decode(data, limits=ANY_LENGTH).pcm


async def test_json_gives_mp3_and_the_upload_wav() -> None:
    async with serving(speech_service(ToneSynthesizer())) as url, httpx.AsyncClient(base_url=url) as client:
        for prefix in ("", "/v1"):
            spoken = await client.post(f"{prefix}/audio/speech", json={"input": "Hello there.", "model": "tts-1"})
            assert (spoken.status_code, spoken.headers["content-type"]) == (200, "audio/mpeg")
            assert read(spoken.content).duration_s == pytest.approx(0.72, abs=0.15)
            uploaded = await client.post(
                f"{prefix}/audio/speech/upload",
                data={"input": "Hello there."},
                files={"voice_file": ("x.bin", wav(sine(300, 1.5)))},
            )
            assert (uploaded.status_code, uploaded.headers["content-type"]) == (200, "audio/wav")
            assert uploaded.headers["x-voice-source"] == "upload"
            assert uploaded.headers["x-engine"] == "test"
            assert int(uploaded.headers["content-length"]) == len(uploaded.content)
            assert frequency_hz(read(uploaded.content)) == pytest.approx(300, rel=0.01)


async def test_urlencoded_forms_are_forms_too() -> None:
    async with serving(speech_service(ToneSynthesizer())) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/audio/speech/upload", data={"input": "Hello.", "response_format": "mp3"})
        assert answer.headers["content-type"] == "audio/mpeg"


CLIENT = """
import asyncio, httpx, json, sys
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import frequency_hz, middle, sine, wav

async def ask(client, number):
    hz = 150 + 20 * number
    files = {
        "input": (None, "Every voice says this sentence in its own way."),
        "response_format": (None, "wav" if number % 2 else "mp3"),
        "voice_file": ("clip.wav", wav(sine(hz, 2.0))),
    }
    answer = await client.post("/v1/audio/speech/upload", files=files)
    answer.raise_for_status()
    return hz, answer.content

async def main():
    async with httpx.AsyncClient(base_url=sys.argv[1], timeout=60) as client:
        answers = await asyncio.gather(*(ask(client, number) for number in range(32)))
    limits = ClipLimits(max_duration_s=60)
    read = InProcessClipReader().decode
    print(json.dumps([(hz, frequency_hz(middle(read(data, limits=limits).pcm))) for hz, data in answers]))

asyncio.run(main())
"""


async def test_32_at_once_each_in_its_own_voice_and_no_callback_holds_the_loop(tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    async with serving(speech_service(ToneSynthesizer())) as url:
        with cpu_monitor() as monitor:
            client = await asyncio.create_subprocess_exec(sys.executable, str(script), url, stdout=subprocess.PIPE)
            output, _ = await client.communicate()
    answers = json.loads(output)
    assert len(answers) == 32
    for asked_hz, found_hz in answers:
        assert found_hz == pytest.approx(asked_hz, rel=0.01)
    assert monitor.callbacks > 1000
    assert monitor.longest_s < 0.02, monitor.culprits


async def test_a_client_that_leaves_mid_stream_stops_the_engine() -> None:
    engine = WatchedTone(pace=0.5)
    async with serving(speech_service(engine)) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("POST", "/v1/audio/speech", json={"input": LONG}) as answer:
            chunks = answer.aiter_raw()
            await anext(chunks)
            assert engine.open == 1
        assert await engine.closed_within(0.5)


@pytest.mark.parametrize("audio_format", ["mp3", "wav"])
async def test_a_client_that_leaves_before_the_first_byte_stops_the_engine(audio_format: str) -> None:
    engine = WatchedTone(pace=20.0)
    async with serving(speech_service(engine)) as url, httpx.AsyncClient(base_url=url) as client:
        body = {"input": LONG, "response_format": audio_format}
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/v1/audio/speech", json=body, timeout=0.3)
        assert await engine.closed_within(0.5)


async def test_a_client_that_leaves_the_queue_never_reaches_the_engine() -> None:
    engine = WatchedTone(pace=0.2)
    service = speech_service(engine, slots=1)
    async with serving(service) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("POST", "/v1/audio/speech", json={"input": LONG}) as first:
            chunks = first.aiter_raw()
            await anext(chunks)
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/v1/audio/speech", json={"input": "Hello."}, timeout=0.3)
            deadline = time.perf_counter() + 0.5
            while service.queue.waiting and time.perf_counter() < deadline:
                await asyncio.sleep(0.005)
            assert (service.queue.waiting, engine.open) == (0, 1)
            assert await anext(chunks), "the one that is speaking goes on"
        assert await engine.closed_within(0.5)


async def test_a_client_that_never_reads_is_cut_off() -> None:
    engine = WatchedTone()
    async with serving(speech_service(engine), limits=HttpLimits(send_stall_s=0.3)) as url:
        host, port = url.removeprefix("http://").split(":")
        body = json.dumps({"input": "on and on, " * 360, "response_format": "wav", "stream": True, "speed": 0.25})
        with socket.create_connection((host, int(port))) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            head = "POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            reader.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            while not engine.open:
                await asyncio.sleep(0.01)
            assert await engine.closed_within(20)


async def test_an_engine_that_fails_before_the_first_byte_is_a_status() -> None:
    async with serving(speech_service(FailingEngine(after=0))) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/v1/audio/speech", json={"input": "Hello."})
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "synthesis_failed"
        assert "0xdeadbeef" not in answer.text


async def test_an_engine_that_fails_later_aborts_the_connection() -> None:
    async with serving(speech_service(FailingEngine(after=20))) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("POST", "/v1/audio/speech", json={"input": "Hello."}) as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                async for _ in answer.aiter_raw():
                    pass
        assert (await client.get("/health")).json()["requests"] == {"running": 0, "waiting": 0}


async def test_a_complete_body_fails_as_a_whole() -> None:
    async with serving(speech_service(FailingEngine(after=20))) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/v1/audio/speech", json={"input": "Hello.", "response_format": "wav"})
        assert answer.status_code == 500


async def test_a_slow_engine_is_a_timeout() -> None:
    service = speech_service(ToneSynthesizer(pace=50), limits=SpeechLimits(engine_wait_s=0.1))
    async with serving(service) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/v1/audio/speech", json={"input": "Hello."})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "engine_timeout")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_flood_is_told_when_to_come_back() -> None:
    service = speech_service(ToneSynthesizer(pace=1), slots=1, queue=1)
    async with serving(service) as url, httpx.AsyncClient(base_url=url) as client:
        asking = [client.post("/v1/audio/speech", json={"input": "Hello there."}) for _ in range(6)]
        answers = await asyncio.gather(*asking)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["error"]["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        assert "x-should-retry" not in refused.headers


async def test_streaming_is_asked_for_and_declined() -> None:
    async with serving(speech_service(ToneSynthesizer())) as url, httpx.AsyncClient(base_url=url) as client:
        for extra, streamed in (
            ({"response_format": "wav"}, False),
            ({"response_format": "wav", "stream": True}, True),
            ({"response_format": "wav", "stream_format": "audio"}, True),
            ({"response_format": "mp3"}, True),
            ({"response_format": "mp3", "stream": False}, False),
        ):
            answer = await client.post("/v1/audio/speech", json={"input": "Hello there.", **extra})
            assert ("content-length" not in answer.headers) is streamed, extra
            assert read(answer.content).duration_s == pytest.approx(0.72, abs=0.15)


async def test_openais_own_client_speaks_streams_and_understands_errors() -> None:
    async with serving(speech_service(ToneSynthesizer())) as url:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there.")
            assert read(spoken.content).duration_s == pytest.approx(0.72, abs=0.15)
            streaming = client.audio.speech.with_streaming_response
            async with streaming.create(
                model="gpt-4o-mini-tts", voice="nova", input=LONG, response_format="wav", speed=2.0
            ) as stream:
                data = b"".join([chunk async for chunk in stream.iter_bytes()])
            assert read(data).duration_s > 50
            with pytest.raises(openai.NotFoundError) as caught:
                await client.audio.speech.create(model="tts-1", voice="nobody", input="Hello.")
            assert caught.value.code == "voice_not_found"
            assert caught.value.param == "voice"
            assert caught.value.request_id
            assert "test" in [model.id async for model in client.models.list()]
