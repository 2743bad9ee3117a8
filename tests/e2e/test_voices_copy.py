"""`chatterbox-api voices copy` between two stores, one of them another distribution's."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.service import clean_environment, run_cli

from chatterbox_api_testkit.sounds import sine, wav

PLUGIN = """
import asyncio
from contextlib import asynccontextmanager
from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.plugins import VOICE_STORES, Absent, Plugin, Ready, load
from chatterbox_api_core.settings import Setting, number

FOLDER = Setting("SHELF_FOLDER", "", "Where the shelf is.", str)
ADD_S = Setting("SHELF_ADD_S", "0", "How long it takes to add a voice after the first.", number(0, 60))
LISTS = Setting("SHELF_LOADING", "0", "How often it has to be asked for a list.", number(0, 10))
ROOM = Setting("SHELF_ROOM", "1000", "After how many new voices it is away.", number(0, 1000))

def state(env):
    return Ready() if FOLDER.is_set(env) else Absent("SHELF_FOLDER is not set")

class Shelf:
    def __init__(self, store, add_s, room, loading):
        self._store, self._add_s, self._room, self._loading = store, add_s, room, loading

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def list(self, **asked):
        self._loading -= 1
        if self._loading >= 0:
            raise Unavailable("The shelf is being read.", code="storage_loading", retry_after_s=0.1)
        return await self._store.list(**asked)

    async def add(self, draft, audio):
        if self._room == 0:
            raise Unavailable("The shelf is away.", code="shelf_away")
        self._room -= 1
        if await self._store.list():
            await asyncio.sleep(self._add_s)
        return await self._store.add(draft, audio)

@asynccontextmanager
async def open_(env):
    async with load(VOICE_STORES, "local").open({"VOICE_LIBRARY_DIR": FOLDER.read(env)}) as store:
        yield Shelf(store, ADD_S.read(env), ROOM.read(env), LISTS.read(env))

plugin = Plugin(settings=(FOLDER, ADD_S, ROOM, LISTS), state=state, open=open_)
"""
ONE, TWO = wav(sine(300, 1.5)), wav(sine(400, 2.0))
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """A store called shelf beside the local one."""
    site = tmp_path.with_name(f"{tmp_path.name}-site")
    info = site / "shelf-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "shelf.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[chatterbox_api.voice_stores]\nshelf = shelf:plugin\n")
    (tmp_path / "one.wav").write_bytes(ONE)
    (tmp_path / "two.wav").write_bytes(TWO)
    shelf = {"PYTHONPATH": str(site), "SHELF_FOLDER": str(tmp_path / "shelf")}
    return {**shelf, "VOICE_STORE": "local", "CLIP_READER": "wav"}


@pytest.fixture
def run(tmp_path: Path, settings: dict[str, str]) -> Run:
    def command(*arguments: str, code: int = 0, **more: str) -> CompletedProcess[str]:
        done = run_cli("voices", *arguments, cwd=tmp_path, **(settings | more))
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


@pytest.fixture
def voices(run: Run) -> None:
    run("add", "Anna", "one.wav", "--alias", "Mum", "--language", "en", "--consent", "yes, 2026")
    run("add", "Bert", "two.wav")
    run("default", "bert")


TO_SHELF, FROM_SHELF = ("copy", "--from", "local", "--to", "shelf"), ("copy", "--from", "shelf", "--to", "local")


@pytest.mark.usefixtures("voices")
def test_voices_go_there_and_come_back(run: Run, tmp_path: Path) -> None:
    assert run(*TO_SHELF).stdout.splitlines() == [
        "copied: Anna",
        "copied: Bert, now the default voice",
        "2 voices: 2 copied, 0 there already.",
    ]
    again = run(*TO_SHELF).stdout.splitlines()
    assert again == ["there already: Anna", "there already: Bert", "2 voices: 0 copied, 2 there already."]
    there = str(tmp_path / "elsewhere")
    run(*FROM_SHELF, VOICE_LIBRARY_DIR=there)
    here, back = (json.loads(run("list", "--json", **more).stdout) for more in ({}, {"VOICE_LIBRARY_DIR": there}))
    keep = ("name", "aliases", "default", "sha256", "consent", "language", "filename", "media_type", "duration_s")
    assert [[voice[key] for key in keep] for voice in here] == [[voice[key] for key in keep] for voice in back]
    assert "2 checked, 0 damaged" in run("verify", VOICE_LIBRARY_DIR=there).stdout


@pytest.mark.usefixtures("voices")
def test_some_voices_each_once_and_what_is_unknown_stops_it(run: Run) -> None:
    assert "1 voice: 1 copied" in run(*TO_SHELF, "MUM", "anna").stdout
    assert "nobody" in run(*TO_SHELF, "bert", "nobody", code=4).stderr
    assert "1 voice: 1 copied" in run(*FROM_SHELF, VOICE_LIBRARY_DIR="elsewhere").stdout


@pytest.mark.usefixtures("voices")
def test_conflicts_are_reported_and_nothing_is_overwritten_unasked(run: Run) -> None:
    run(*TO_SHELF)
    run("replace", "anna", "two.wav")
    done = run(*TO_SHELF, code=1).stdout
    assert "conflict: Anna: " in done
    assert "2 voices: 0 copied, 1 there already, 1 in conflict." in done
    found = json.loads(run(*TO_SHELF, "--json", code=1).stdout)
    anna = found["voices"][0]
    assert (anna["state"], anna["problem"]["code"], set(anna["differences"])) == (
        "conflict",
        "name_taken",
        {"clip", "filename"},
    )
    assert "2 voices: 0 copied, 1 replaced, 1 there already." in run(*TO_SHELF, "--replace").stdout
    assert "0 copied, 2 there already" in run(*TO_SHELF).stdout


@pytest.mark.usefixtures("voices")
def test_a_damaged_voice_holds_up_no_other(run: Run, tmp_path: Path) -> None:
    library = tmp_path.with_name(f"{tmp_path.name}-data") / "voices"
    next(path for path in library.rglob("*.wav") if path.read_bytes() == ONE).write_bytes(b"gone")
    done = run(*TO_SHELF, code=1).stdout
    assert "failed: Anna: " in done
    assert "1 copied" in done


@pytest.mark.usefixtures("voices")
def test_a_store_that_goes_away_stops_it_and_it_goes_on(run: Run) -> None:
    stopped = run(*TO_SHELF, code=5, SHELF_ROOM="1")
    assert "2 voices: 1 copied, 0 there already, 1 not tried. Run it again to go on." in stopped.stdout
    assert "The shelf is away." in stopped.stderr
    told = json.loads(run(*TO_SHELF, "--json", code=5, SHELF_ROOM="0").stdout)
    assert told["stopped"]["code"] == "shelf_away"
    assert "2 voices: 1 copied, 1 there already." in run(*TO_SHELF).stdout


@pytest.mark.usefixtures("voices")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_after_a_signal(run: Run, settings: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "chatterbox_api", "voices", *TO_SHELF]
    env = clean_environment(tmp_path, {**settings, "SHELF_ADD_S": "60"})
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"copied: Anna\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert b"Traceback" not in errors
    assert "2 voices: 1 copied, 1 there already." in run(*TO_SHELF).stdout
    assert "2 checked, 0 damaged" in run("verify", VOICE_LIBRARY_DIR="shelf").stdout


@pytest.mark.parametrize(
    ("source", "target", "code", "words"),
    [
        ("local", "local", 2, "same"),
        ("Local", "local", 2, "same"),
        ("local", "nowhere", 3, "nowhere"),
        ("memory", "local", 3, "memory"),
        ("shelf", "local", 3, "SHELF_FOLDER is not set"),
    ],
)
def test_stores_that_cannot_serve_are_refused(run: Run, source: str, target: str, code: int, words: str) -> None:
    done = run("copy", "--from", source, "--to", target, code=code, SHELF_FOLDER="")
    assert words in done.stderr


@pytest.mark.usefixtures("voices")
def test_a_store_that_reads_its_library_is_waited_for(run: Run) -> None:
    run(*TO_SHELF)
    copied = run(*FROM_SHELF, VOICE_LIBRARY_DIR="elsewhere", SHELF_LOADING="3")
    assert "2 voices: 2 copied" in copied.stdout
    assert copied.stderr == "The shelf is being read.\n" * 3
    for arguments, words in ((("list",), "Anna"), (("verify",), "2 checked"), (("export", "all.zip"), "Exported 2")):
        assert words in run(*arguments, VOICE_STORE="shelf", SHELF_LOADING="2").stdout


def test_nothing_to_copy_is_said(run: Run) -> None:
    assert run(*TO_SHELF).stdout == "There are no voices to copy.\n"


@pytest.mark.usefixtures("voices")
@pytest.mark.parametrize(("arguments", "words"), [(TO_SHELF, b"local \xe2\x86\x92 shelf"), (("verify",), b"Verifying")])
def test_a_terminal_gets_a_bar(
    settings: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], words: bytes
) -> None:
    ours, theirs = pty.openpty()
    env = clean_environment(tmp_path, {**settings, "TERM": "xterm", "COLUMNS": "120"})
    command = [sys.executable, "-m", "chatterbox_api", "voices", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    assert process.returncode == 0, shown
    assert words in shown
    assert b"2/2" in shown
    assert b"copied: Anna" not in shown
