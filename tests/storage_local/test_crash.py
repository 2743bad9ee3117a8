"""What has been acknowledged survives a crash: of the process by SIGKILL, of the machine by the order of its calls."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.effort import LONG

KILLS = 200 if LONG else 40

ONE_OF_EACH = """
import asyncio, os, sys
from pathlib import Path
from chatterbox_api_core.types import VoiceAudio, VoiceDraft
from chatterbox_api_storage_local.store import LocalStore

async def main():
    async with LocalStore.open(Path(sys.argv[1])) as store:
        os.write(1, b"open")
        voice = await store.add(VoiceDraft("Anna"), VoiceAudio(b"one" * 1000, "1", 1.0))
        os.write(1, b"added")
        await store.replace(voice.id, VoiceAudio(b"two" * 1000, "2", 1.0))
        os.write(1, b"replaced")
        await store.set_default(voice.id)
        os.write(1, b"default set")
        await store.remove(voice.id)
        os.write(1, b"removed")

asyncio.run(main())
"""
CLIP = r"/audio/voice_\w+-\w+\.wav"
WRITTEN = (
    rf"write\(\d+<[^>]*{CLIP}\.part>, .* = 3000",
    rf"(fsync|fdatasync)\(\d+<[^>]*{CLIP}\.part>\) += 0",
    rf'rename\w*\(.*{CLIP}\.part", .*{CLIP}"\) += 0',
    r"(fsync|fdatasync)\(\d+<[^>]*/audio>\) += 0",
)
COMMITTED = (
    r"pwrite64\(\d+<[^>]*/voices\.db-wal>, .*",
    r"(fsync|fdatasync)\(\d+<[^>]*/voices\.db-wal>\) += 0",
)
UNLINKED = (rf'unlink\w*\(.*{CLIP}".*\) += 0',)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="writers are forked")
def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            Path(__file__).with_name("kill_rounds.py"),
            tmp_path / "voices",
            str(KILLS),
            str(time.time_ns()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    assert counts["rounds"] == KILLS
    assert counts["acknowledged"] > KILLS, "the writers were killed before they wrote"
    assert counts["in_doubt"] > 0, "no kill met a write"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_call_returns_when_its_bytes_are_on_the_disk(tmp_path: Path) -> None:
    """File, folder, database, answer, each only after the one before; the old clip goes last."""
    trace = tmp_path / "trace"
    calls = "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
    done = subprocess.run(
        [
            *("strace", "-f", "-y", "-s", "64", "-o", trace, "-e", f"trace={calls}"),
            *(sys.executable, "-c", ONE_OF_EACH, tmp_path / "voices"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    spans = finished_calls(trace.read_text())
    for begin, end, expected in (
        ("open", "added", WRITTEN + COMMITTED),
        ("added", "replaced", WRITTEN + COMMITTED + UNLINKED),
        ("replaced", "default set", COMMITTED),
        ("default set", "removed", COMMITTED + UNLINKED),
    ):
        check_order(between(spans, begin, end), expected)


def finished_calls(trace: str) -> list[str]:
    """The calls in the order in which they returned; strace splits those that others overlap."""
    begun: dict[str, str] = {}
    calls = []
    for line in trace.splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>").rstrip()
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            calls.append(begun.pop(thread) + resumed.group(1))
        else:
            calls.append(call)
    return calls


def between(calls: list[str], begin: str, end: str) -> list[str]:
    first, last = (next(i for i, call in enumerate(calls) if f'>, "{word}", ' in call) for word in (begin, end))
    return calls[first + 1 : last]


def check_order(calls: list[str], expected: tuple[str, ...]) -> None:
    place = 0
    for pattern in expected:
        while place < len(calls) and not re.search(pattern, calls[place]):
            place += 1
        assert place < len(calls), f"no {pattern} where it belongs in\n" + "\n".join(calls)
    for late in UNLINKED:
        found = [i for i, call in enumerate(calls) if re.search(late, call)]
        synced = max(i for i, call in enumerate(calls) if re.search(COMMITTED[-1], call))
        assert all(i > synced for i in found), "a clip is removed before the commit lasts"
