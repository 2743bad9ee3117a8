"""What the service takes of memory and disk while strangers ask for much and read little: bounded, and given back."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest
from support.effort import LONG
from support.service import RunningService, running_service

from chatterbox_api_core.formats import FORMATS

ABORTS: Final = 2000 if LONG else 150
GROWTH_MB: Final = 30
NO_COLLECTOR: Final = "import gc\ngc.disable()\ngc.enable = lambda: None\n"
TEXT: Final = "This goes on and on, and nobody listens to the end of it. " * 40


def test_streams_that_are_left_cost_no_memory(tmp_path: Path) -> None:
    """Without Python's collector: what a stream held is let go of when it is closed, not when it is found."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(NO_COLLECTOR)
    with running_service(tmp_path, PYTHONPATH=str(site)) as service:
        _abort(service, 100)
        before_mb = _settled_mb(service)
        _abort(service, ABORTS)
        grown_mb = _settled_mb(service) - before_mb
        assert httpx.get(f"{service.url}/health", timeout=60).json()["requests"] == {"running": 0, "waiting": 0}
    assert grown_mb < GROWTH_MB, f"{ABORTS} streams, {grown_mb:.0f} MB more"


def _abort(service: RunningService, count: int) -> None:
    body = json.dumps({"input": TEXT, "response_format": "wav", "stream": True, "sample_rate": 48_000})
    host, port = service.url.removeprefix("http://").split(":")
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    for _ in range(count):
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            received = client.recv(65_536)
            assert received.startswith(b"HTTP/1.1 200"), received[:200]


def _settled_mb(service: RunningService) -> float:
    time.sleep(1)
    return float(psutil.Process(service.process.pid).memory_info().rss / 2**20)


@pytest.mark.parametrize("audio_format", FORMATS if LONG else FORMATS[:1] + FORMATS[-1:], ids=lambda each: each.name)
def test_the_longest_request_is_bounded_in_every_format(audio_format: object, tmp_path: Path) -> None:
    """As slow as can be, in the highest rate; as a whole and as a stream, and a second of pause too much is a 400."""
    name = audio_format.name  # type: ignore[attr-defined]
    settings = {"MAX_AUDIO_S": "1800" if LONG else "300"}
    limit_s = int(settings["MAX_AUDIO_S"])
    paragraphs = limit_s // 10 - 10
    with running_service(tmp_path, SPOOL_MEMORY_MB="16", **settings) as service:
        before_mb = _settled_mb(service)
        for stream in (False, True):
            asked = {
                "input": "\n\n".join(["A"] * paragraphs),
                "paragraph_pause_ms": 10_000,
                "response_format": name,
                "sample_rate": 48_000,
                "stream": stream,
            }
            size = 0
            with httpx.stream("POST", f"{service.url}/v1/audio/speech", json=asked, timeout=600) as answer:
                assert answer.status_code == 200, answer.read()
                for part in answer.iter_raw():
                    size += len(part)
            assert 0 < size < 512 * 2**20
            refused = httpx.post(
                f"{service.url}/v1/audio/speech",
                json={**asked, "input": "\n\n".join(["A"] * (limit_s // 10 + 5))},
                timeout=60,
            )
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "output_too_long")
        peak_mb = _peak_mb(service) - before_mb
        left = [file.path for file in psutil.Process(service.process.pid).open_files() if "deleted" in file.path]
    assert peak_mb < 100, f"{peak_mb:.0f} MB more"
    assert not left


def _peak_mb(service: RunningService) -> float:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
