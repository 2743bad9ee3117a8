"""Whatever the bytes are: an answer soon, nothing left behind, nothing opened and nobody called."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from support.effort import LONG

from chatterbox_api_core.types import ClipLimits
from chatterbox_api_testkit.sounds import sine, wav

SEED: Final = 20261122
COUNT: Final = 20_000 if LONG else 400
LONGEST_S: Final = ClipLimits().deadline_s
MOST_BYTES: Final = 200 * 2**20
TESTS: Final = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader's process runs: whatever it leaves behind in its folder or the temporary one is seen."""
    found = tmp_path_factory.mktemp("hostile")
    (found / "work").mkdir()
    (found / "real.wav").write_bytes(wav(sine(440, 2.0)))
    os.mkfifo(found / "pipe.wav")
    return found


@pytest.fixture(scope="module")
def readings(listener: socket.socket, folder: Path) -> dict[str, Any]:
    """What a process of its own says that has read them all. A pipe that is opened holds it up for good."""
    progress = folder / "progress"
    seed = random.randrange(10**9) if LONG else SEED
    traps = (str(listener.getsockname()[1]), str(folder / "real.wav"), str(folder / "pipe.wav"))
    numbers = (str(seed), "0", str(COUNT))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "encoders.hostile_reading", *numbers, *traps, str(progress)],
        cwd=folder / "work",
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder / "work")},
        capture_output=True,
        text=True,
        timeout=3000 if LONG else 300,
        check=False,
    )
    last = progress.read_text() if progress.exists() else "none"
    assert done.returncode == 0, f"seed {seed}, died at number {last}: {done.stderr[-3000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"seed {seed}: {found['outcomes']}, slowest {found['slowest']}, of CPU {found['slowest_cpu']}")
    return found


def test_each_is_read_or_refused_as_the_contract_says(readings: dict[str, Any]) -> None:
    assert readings["wrong"] == []
    assert sum(readings["outcomes"].values()) == COUNT
    assert readings["outcomes"]["read"] > COUNT // 10, "most damage leaves something to be heard"
    assert readings["outcomes"]["invalid_audio"] > COUNT // 10


def test_none_takes_long(readings: dict[str, Any]) -> None:
    """The deadline is kept, on a machine that has other things to do; decoders may have a second thread."""
    assert readings["slowest_cpu"][0] < 2 * LONGEST_S, readings["slowest_cpu"]
    assert readings["slowest"][0] < 6 * LONGEST_S, readings["slowest"]


def test_memory_stays_bounded(readings: dict[str, Any]) -> None:
    assert readings["growth_bytes"] < MOST_BYTES
    assert readings["peak_bytes"] < MOST_BYTES


def test_nothing_is_opened_and_nobody_called(readings: dict[str, Any], listener: socket.socket, folder: Path) -> None:
    assert readings["events"] == []
    assert readings["seen"] == []
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert list((folder / "work").iterdir()) == []


def test_what_is_no_recording_is_refused(readings: dict[str, Any]) -> None:
    crafted: dict[str, str] = readings["crafted"]
    playlists = ("sdp", "smil", "xspf", "asx", "dash", "svg", "rtsp", "m3u-", "hls-", "concat-", "pls-", "image2-")
    others = ("empty", "zeros", "ones", "text", "html", "pdf", "zip", "gzip", "png", "video-only", "script")
    headers = ("wav-65-channels", "wav-0-channels", "wav-1-hz", "wav-0-hz", "wav-0-bits", "mp4-nested", "ogg-streams")
    for name, outcome in crafted.items():
        if name.startswith(playlists) or name in others + headers:
            assert outcome == "invalid_audio", name
        if name.startswith(("hours-", "long-")):
            assert outcome == "audio_too_long", name
        if name.startswith("cover-"):
            assert outcome == "read", f"{name}: a picture is passed over, not decoded"
    assert sum(name.startswith(playlists) for name in crafted) > 25
