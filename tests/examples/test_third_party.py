"""A stranger's package: found by name, chosen by settings, proven by the test kit. Nothing here knows of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import av
import httpx
import pytest
from support.service import run_cli, running_service

from chatterbox_api_core.types import Pcm
from chatterbox_api_testkit.sounds import median_pitch_hz, voice_like, wav

ADD_ANNA = """
import asyncio, os, sys
from chatterbox_api_core import VoiceLibrary
from chatterbox_api_core.plugins import VOICE_STORES, load
from chatterbox_api_core.reference import WavReader


async def main():
    async with load(VOICE_STORES, "acme").open(os.environ) as store:
        await VoiceLibrary(store=store, clip_reader=WavReader()).create("Anna", sys.stdin.buffer.read())


asyncio.run(main())
"""


def read_au(data: bytes) -> Pcm:
    with av.open(BytesIO(data), "r", format="au") as container:
        stream = container.streams.audio[0]
        samples = b"".join(frame.to_ndarray().tobytes() for frame in container.decode(stream))
        return Pcm.from_s16le(samples, sample_rate_hz=stream.rate)


def test_plugins_finds_it_ready(acme: Path, tmp_path: Path) -> None:
    done = run_cli("plugins", "--json", cwd=tmp_path, PYTHONPATH=str(acme), ACME_FOLDER=str(tmp_path / "voices"))
    assert done.returncode == 0, done.stderr
    found = {finding["group"]: finding for finding in json.loads(done.stdout) if finding["name"] == "acme"}
    assert set(found) == {"voice_stores", "synthesizers", "encoders"}
    for finding in found.values():
        assert (finding["state"], finding["package"], finding["version"]) == ("ready", "acme-speech", "1.0.0"), finding
    assert found["encoders"]["detail"] == "au"


def test_the_service_runs_on_it(acme: Path, tmp_path: Path) -> None:
    """Engine, store and encoder by name; the format it brings, and those of the encoder behind it."""
    settings = {"SYNTHESIZER": "acme", "VOICE_STORE": "acme", "ENCODERS": "acme,pyav"}
    settings |= {"PYTHONPATH": str(acme), "ACME_FOLDER": str(tmp_path / "voices")}
    clip, env = wav(voice_like(220, 3)), {**os.environ, **settings}
    subprocess.run([sys.executable, "-c", ADD_ANNA], input=clip, env=env, check=True)
    with running_service(tmp_path, **settings) as service, httpx.Client(base_url=service.url) as client:
        own = client.post("/v1/audio/speech", json={"input": "Hello there.", "response_format": "au"})
        assert own.headers["content-type"] == "audio/x-au"
        assert own.headers["x-engine"] == "acme"
        assert median_pitch_hz(read_au(own.content)) == pytest.approx(110, rel=0.05)
        anna = client.post("/v1/audio/speech", json={"input": "Hi there.", "voice": "ANNA", "response_format": "au"})
        assert anna.headers["x-voice-source"] == "library"
        assert median_pitch_hz(read_au(anna.content)) == pytest.approx(220, rel=0.05)
        assert client.post("/v1/audio/speech", json={"input": "Hello."}).headers["content-type"] == "audio/mpeg"


def test_a_wrong_setting_of_it_stops_the_start(acme: Path, tmp_path: Path) -> None:
    settings = {"PYTHONPATH": str(acme), "SYNTHESIZER": "acme"}
    slow = run_cli("say", "Hello.", "-o", "out.wav", cwd=tmp_path, **settings, ACME_LETTER_MS="never")
    assert slow.returncode == 3
    assert "ACME_LETTER_MS" in slow.stderr
    homeless = run_cli("say", "Hello.", "-o", "out.wav", cwd=tmp_path, **settings, VOICE_STORE="acme")
    assert homeless.returncode == 3
    assert "ACME_FOLDER is not set" in homeless.stderr


def test_its_contracts_pass(acme: Path, examples: Path, tmp_path: Path) -> None:
    shutil.copytree(examples / "third_party/tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(examples / "third_party/pyproject.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(acme)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
