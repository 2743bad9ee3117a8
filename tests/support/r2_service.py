"""The real service over a bucket: started as a user starts it, asked over HTTP, and never heard to tell a secret."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from chatterbox_api_core.types import ClipLimits, VoiceAudio, VoiceDraft
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import frequency_hz, middle, sine, wav
from support.r2_stores import open_store
from support.s3_faults import Request
from support.s3_servers import S3Server
from support.service import clean_environment, free_port

__all__ = [
    "Answer",
    "R2Service",
    "assert_tells_no_secret",
    "clip",
    "command",
    "is_clip",
    "r2_service",
    "settings_for",
    "stock",
    "until",
]

SENTENCE: Final = "Hello there."
_CLIP_S: Final = 1.5
_START_S: Final = 60.0
_ECHOES: Final = ("echoed-by-the-server", "StringToSign")
"""What the proxy of the tests sends back of a request that it refuses."""


def settings_for(server: S3Server, *, prefix: str, url: str | None = None) -> dict[str, str]:
    """The service's settings for a library in this server, straight or by way of a proxy at `url`."""
    return {
        "SYNTHESIZER": "tone",
        "R2_ENDPOINT": url or server.url,
        "R2_BUCKET_NAME": server.bucket,
        "R2_PREFIX": prefix,
        "R2_ACCESS_KEY_ID": server.access_key_id,
        "R2_SECRET_ACCESS_KEY": server.secret_access_key,
    }


@functools.cache
def clip(hz: float) -> bytes:
    """A recording of a tone, which a tone engine then speaks in."""
    return wav(sine(hz, _CLIP_S, sample_rate_hz=16_000))


def is_clip(request: Request) -> bool:
    """Whether this reads the clip of a voice."""
    return request.method == "GET" and "/clips/" in request.target and "list-type" not in request.target


def stock(server: S3Server, *, prefix: str, voices: Mapping[str, float]) -> None:
    """Put voices into a library, each by its name and its frequency in Hz, as a server that is gone since would."""

    async def add() -> None:
        async with open_store(server, prefix=prefix) as store:
            for name, hz in voices.items():
                data = clip(hz)
                digest = hashlib.sha256(data).hexdigest()
                await store.add(VoiceDraft(name=name), VoiceAudio(data, digest, _CLIP_S, "audio/wav", "clip.wav"))

    asyncio.run(add())


def assert_tells_no_secret(text: str, settings: Mapping[str, str]) -> None:
    """Neither the key, nor what a server echoes of a request."""
    keys = (settings.get(name) for name in ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"))
    told = [word for word in (*keys, *_ECHOES) if word and word in text]
    assert not told, f"{told} in:\n{text}"


def until(holds: Callable[[], bool], *, within_s: float, every_s: float = 0.1) -> float:
    """Ask until it holds; how long that took, in seconds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s"
        time.sleep(every_s)
    return time.monotonic() - began


@dataclass(frozen=True)
class Answer:
    """What the service answered.

    Attributes:
        code: of the error, empty where there is none.
        took_s: until the whole answer was there.
        retry_after_s: None where it does not say.
    """

    status: int
    code: str
    took_s: float
    retry_after_s: int | None
    body: bytes

    @property
    def hz(self) -> float:
        """The frequency of what was spoken, rounded as well as it can be told."""
        assert self.status == 200, self.body
        pcm = InProcessClipReader().decode(self.body, limits=ClipLimits(min_duration_s=0)).pcm
        return round(frequency_hz(middle(pcm)), -1)

    def json(self) -> Any:
        return json.loads(self.body)


class R2Service:
    """A running service. Everything that it answers is searched for secrets."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path, settings: Mapping[str, str]) -> None:
        self.process, self.url, self._log, self._settings = process, url, log, settings
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        began = time.monotonic()
        answer = self._client.request(method, path, **arguments)
        took_s = time.monotonic() - began
        assert_tells_no_secret(f"{answer.headers} {answer.content.decode(errors='replace')}", self._settings)
        after = answer.headers.get("retry-after")
        code = answer.json()["error"]["code"] if answer.is_error else ""
        return Answer(answer.status_code, code, took_s, int(after) if after else None, answer.content)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def create(self, name: str, hz: float, *, aliases: str = "") -> Answer:
        data = {"voice_name": name, "aliases": aliases}
        return self.ask("POST", "/v1/voices", data=data, files={"voice_file": ("clip.wav", clip(hz))})

    def replace(self, voice: str, hz: float) -> Answer:
        return self.ask("PUT", f"/v1/voices/{voice}", files={"voice_file": ("clip.wav", clip(hz))})

    def rename(self, voice: str, new_name: str) -> Answer:
        return self.ask("PUT", f"/v1/voices/{voice}", json={"new_name": new_name})

    def remove(self, voice: str) -> Answer:
        return self.ask("DELETE", f"/v1/voices/{voice}")

    def speak(self, voice: str | None = None) -> Answer:
        asked = {"input": SENTENCE, "response_format": "wav"} | ({"voice": voice} if voice is not None else {})
        return self.ask("POST", "/v1/audio/speech", json=asked)

    def speak_like(self, hz: float) -> Answer:
        """In the voice of a clip that is sent along."""
        files = {"voice_file": ("clip.wav", clip(hz))}
        return self.ask("POST", "/v1/audio/speech/upload", data={"input": SENTENCE}, files=files)

    def names(self) -> list[str]:
        """Of all voices, as the service lists them."""
        listed = self.get("/v1/voices")
        assert listed.status == 200, listed.body
        return [voice["name"] for voice in listed.json()["voices"]]

    def kill(self) -> None:
        """As `kill -9` does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        self._client.close()
        if self.process.poll() is None:
            self.kill()


@contextmanager
def r2_service(folder: Path, settings: Mapping[str, str], *, ready: bool = True) -> Generator[R2Service, None, None]:
    """`chatterbox-api serve` for the length of a block, with a DATA_DIR of its own beside its folder.

    In the end it must stop in good order, unless it was killed, and have told no secret.

    Args:
        ready: wait until it is; else until it answers.
    """
    folder.mkdir(exist_ok=True)
    port = free_port()
    log = folder / "service.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "chatterbox_api", "serve"],
            cwd=folder,
            env=_environment(folder, {"PORT": str(port), "DRAIN_NOTICE_S": "0", **settings}),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    service = R2Service(process, f"http://127.0.0.1:{port}", log, settings)
    try:
        until(lambda: _answers(service, "/ready" if ready else "/health"), within_s=_START_S, every_s=0.05)
        yield service
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0, service.log
        assert "Traceback" not in service.log, service.log
        assert_tells_no_secret(service.log, settings)
    finally:
        service.close()


def command(*arguments: str, folder: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One command of `chatterbox-api`, to its end. It must have told no secret."""
    done = subprocess.run(
        [sys.executable, "-m", "chatterbox_api", *arguments],
        cwd=folder,
        env=_environment(folder, settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert_tells_no_secret(done.stdout + done.stderr, settings)
    return done


def _environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Without what is meant for the tests: such names would be taken for misspelled settings."""
    found = clean_environment(folder, settings)
    return {name: found[name] for name in found if name in settings or not name.startswith(("R2_", "CHATTERBOX_"))}


def _answers(service: R2Service, path: str) -> bool:
    assert service.process.poll() is None, f"the service did not start:\n{service.log}"
    try:
        return service.get(path).status == 200
    except httpx.TransportError:
        return False
