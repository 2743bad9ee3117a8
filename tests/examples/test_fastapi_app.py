"""The FastAPI application on a real server: streams, refuses in time, and stops for a client that goes away."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest
import uvicorn
from support.service import free_port

from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_testkit.sounds import frequency_hz, middle, sine, wav


@asynccontextmanager
async def serving(module: ModuleType) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client of the application, which runs for the length of the block."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(module.app, port=port, log_config=None, access_log=False))
    task = asyncio.create_task(server.serve())
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            while not server.started:
                assert not task.done()
                await asyncio.sleep(0.02)
            yield client
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait((task,), timeout=10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def module(examples: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(examples)
    return importlib.import_module("fastapi_app")


async def test_a_voice_is_added_and_speaks(module: ModuleType) -> None:
    async with serving(module) as client:
        added = await client.put("/voices/Anna", content=wav(sine(300, 2)))
        assert added.status_code == 201
        assert added.json()["duration_s"] == 2
        spoken = await client.post("/speech", json={"text": "Hello there, it is me.", "voice": "anna"})
        assert spoken.status_code == 200
        assert spoken.headers["content-type"] == "audio/wav"
        assert spoken.headers["x-voice-source"] == "library"
        pcm = WavReader().decode(spoken.content, limits=ClipLimits()).pcm
        assert frequency_hz(middle(pcm)) == pytest.approx(300, rel=0.02)


async def test_failures_are_statuses(module: ModuleType) -> None:
    async with serving(module) as client:
        for body, status, code in (
            ({"text": ""}, 400, "empty_input"),
            ({"text": "Hello.", "format": "morse"}, 400, "unsupported_format"),
            ({"text": "Hello.", "voice": "nobody"}, 404, "voice_not_found"),
        ):
            answer = await client.post("/speech", json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await client.put("/voices/Anna", content=b"no sound")).status_code == 400
        assert (await client.put("/voices/Anna", content=bytes(module.MAX_CLIP_BYTES + 1))).status_code == 413
        assert (await client.put("/voices/Anna", content=wav(sine(300, 2)))).status_code == 201
        assert (await client.put("/voices/ANNA", content=wav(sine(300, 2)))).status_code == 409


async def test_a_client_that_goes_away_stops_the_engine(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bytes come long before the last would, and the place is free soon after the client has gone."""
    monkeypatch.setenv("TONE_PACE", "1")
    async with serving(module) as client:
        began = time.perf_counter()
        async with client.stream("POST", "/speech", json={"text": "On and on it goes. " * 20}) as answer:
            assert answer.status_code == 200
            assert (await anext(answer.aiter_bytes())).startswith(b"RIFF")
            assert time.perf_counter() - began < 2
            assert module.app.state.speech.queue.running == 1
        async with asyncio.timeout(2):
            while module.app.state.speech.queue.running:
                await asyncio.sleep(0.02)
