"""Two processes share one folder as if they were one."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from support.effort import LONG
from support.linearizability import Call, violations

from chatterbox_api_core.voices.names import canonical_name
from chatterbox_api_storage_local.store import LocalStore

CALLS = 5_000 if LONG else 600


def test_random_calls_are_linearizable(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    one, other = run(folder, CALLS)
    calls = one + other
    assert len(calls) == CALLS
    began_ns = max(min(call.began_ns for call in each) for each in (one, other))
    ended_ns = min(max(call.ended_ns for call in each) for each in (one, other))
    together = [call for call in calls if call.began_ns >= began_ns and call.ended_ns <= ended_ns]
    assert len(together) > CALLS / 2, "the processes took turns"
    kinds = {(call.kind, call.outcome) for call in calls}
    expected = {("add", "ok"), ("add", "taken"), ("rename", "ok"), ("rename", "taken"), ("remove", "ok")}
    assert kinds >= expected | {("remove", "unknown"), ("find", "ok")}
    assert violations(calls) == []
    asyncio.run(check_consistent(folder))


def run(folder: Path, count: int) -> list[list[Call]]:
    """What each of two processes did, with half of the calls each."""
    script = Path(__file__).with_name("random_calls.py")
    path = os.pathsep.join([str(script.parents[1]), os.environ.get("PYTHONPATH", "")])
    processes = [
        subprocess.Popen(
            [sys.executable, script, folder, str(count // 2), str(time.time_ns() + i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        for i in range(2)
    ]
    for process in processes:  # both begin at once
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    return [[Call(**json.loads(line)) for line in output.splitlines()] for output in outputs]


async def check_consistent(folder: Path) -> None:
    async with LocalStore.open(folder, sweep_age_s=-10) as store:
        voices = await store.list(limit=1000)
        for voice in voices:
            assert await store.get_by_name(voice.name) == voice
            assert len(await store.read_clip(voice)) == voice.size_bytes
        assert len({canonical_name(voice.name) for voice in voices}) == len(voices)
    assert len(list((folder / "audio").iterdir())) == len(voices)
    database = sqlite3.connect(folder / "voices.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert database.execute("SELECT count(*) FROM names").fetchone() == (len(voices),)
    database.close()


def test_the_checker_finds_what_cannot_be() -> None:
    """A stale read, a name given twice, a removed voice that is found, a rename that left its old name."""
    add = Call("add", "a", "1", "ok", 0, 10)
    for later in (
        Call("find", "a", None, "ok", 11, 12),
        Call("add", "a", "2", "ok", 11, 12),
        Call("find", "a", "2", "ok", 5, 12),
    ):
        assert violations([add, later]) == ["a"]
    assert violations([add, Call("remove", "", "1", "ok", 11, 12), Call("find", "a", "1", "ok", 13, 14)]) == ["a"]
    assert violations([add, Call("rename", "b", "1", "ok", 11, 12), Call("find", "a", "1", "ok", 13, 14)]) == ["a"]
    assert violations([add, Call("rename", "b", "2", "taken", 11, 12)]) == ["b"]
    assert violations([add, Call("find", "a", None, "ok", 5, 12), Call("find", "a", "1", "ok", 6, 12)]) == []
    assert violations([add, Call("remove", "", "1", "ok", 5, 20), Call("add", "a", "2", "ok", 11, 12)]) == []
