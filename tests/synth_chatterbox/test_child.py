"""The process by itself, spoken to through its pipes: it never outlives its parent, whatever came last."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from chatterbox_api_worker.frames import LENGTHS, Header, frame_start, parse_lengths

MODULE = "chatterbox_api_synth_chatterbox.child.main"
SPEAK: dict[str, Any] = {"do": "speak", "text": "Hello.", "seed": 1, "language": "en", "params": {}}


@pytest.fixture
def child(tmp_path: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Ready to work."""
    config = json.dumps({"role": "speech", "folder": str(tmp_path)})
    with subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE, config],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | environment,
    ) as process:
        try:
            assert [heard(process)[0]["event"] for _ in range(2)] == ["loading", "ready"]
            yield process
        finally:
            process.kill()


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def frame(header: Header, payload: bytes = b"") -> bytes:
    return frame_start(header, payload) + payload


def heard(process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], bytes]:
    _, stdout = pipes(process)
    head, payload = parse_lengths(stdout.read(LENGTHS.size))
    return json.loads(stdout.read(head)), stdout.read(payload)


def tell(process: subprocess.Popen[bytes], *frames: bytes) -> None:
    stdin, _ = pipes(process)
    stdin.write(b"".join(frames))
    stdin.flush()


@pytest.mark.parametrize(
    "last",
    [b"", b"\1", frame(SPEAK | {"id": 1}, bytes(100))[:-50], frame(SPEAK | {"id": 1, "text": "x" * 9999})],
    ids=["nothing", "half a length", "half a frame", "much work"],
)
def test_it_ends_with_its_input_wherever_that_breaks_off(child: subprocess.Popen[bytes], last: bytes) -> None:
    tell(child, last)
    pipes(child)[0].close()
    assert child.wait(timeout=5) == 0


@pytest.mark.parametrize("nonsense", [b"\xff" * 64, LENGTHS.pack(2, 0) + b"[]", LENGTHS.pack(5, 0) + b"hello"])
def test_it_says_that_it_fails_when_what_it_is_sent_is_no_frame(
    child: subprocess.Popen[bytes], nonsense: bytes
) -> None:
    tell(child, nonsense)
    assert child.wait(timeout=5) == 1, "this is no regular end, and the log tells why"


def test_jobs_are_done_in_the_order_they_come_and_cancelled_ones_are_left_out(child: subprocess.Popen[bytes]) -> None:
    """Of a job that is cancelled before and one that is cancelled after its end, nothing is kept."""
    cancels = [frame({"id": number, "do": "cancel"}) for number in (2, 4)]
    tell(child, cancels[0], *(frame(SPEAK | {"id": number}) for number in (1, 2, 3, 4)), cancels[1])
    told = []
    while ("done", 3) not in told:
        head, payload = heard(child)
        told.append((head["event"], head["id"]))
        assert len(payload) == (16 if head["event"] == "done" else 0)
    assert [each for each in told if each[0] == "done"] == [("done", 1), ("done", 3)]
    assert ("cancelled", 2) in told
    assert ("working", 2) not in told
    tell(child, *(frame({"id": number, "do": "cancel"}) for number in (1, 2, 3)), frame(SPEAK | {"id": 5}))
    tell(child, frame(SPEAK | {"id": 6, "text": "How many are cancelled?"}))
    while (answer := heard(child))[0] != {"id": 6, "event": "done"}:
        pass
    assert struct.unpack("f", answer[1]) == (0.0,)
