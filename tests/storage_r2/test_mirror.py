"""The mirror: what it takes in, what it finds, and that nothing wrong with its file is an error."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_r2.reading import a_voice, versioned

from chatterbox_api_storage_r2.layout import Versioned
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.mirror_file import MirrorFile
from chatterbox_api_storage_r2.mirror_schema import SCHEMA

T = TypeVar("T")

ANNA = a_voice("Anna", "Ännchen")


async def test_what_is_kept_is_found_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "mirror.db"
    async with Mirror.open(path) as mirror:
        await mirror.begin("one")
        await mirror.keep(ANNA.id, versioned(3, ANNA), checked_at=5.0)
        await mirror.keep_default(ANNA.id, checked_at=6.0, nonce="n")
        await mirror.keep_listed_at(7.0)
    async with Mirror.open(path) as mirror:
        await mirror.begin("one")
        seen = await mirror.find("ännchen")
        assert seen is not None
        assert (seen.record, seen.etag, seen.checked_at) == (versioned(3, ANNA).record, '"3"', 5.0)
        assert await mirror.get(ANNA.id) == await mirror.find("anna") == seen
        assert await mirror.page(None, 10) == (ANNA,)
        chosen = await mirror.default()
        assert chosen is not None
        assert (chosen.voice_id, chosen.nonce, chosen.checked_at) == (ANNA.id, "n", 6.0)
        assert (await mirror.listed_at(), await mirror.library_id()) == (7.0, "one")
        assert await mirror.etags() == {ANNA.id: '"3"'}


async def test_what_was_never_kept_is_not_known() -> None:
    async with Mirror.open(None) as mirror:
        assert await mirror.get(ANNA.id) is None
        assert await mirror.find("anna") is None
        assert await mirror.page(None, 10) == ()
        assert (await mirror.default(), await mirror.listed_at(), await mirror.library_id()) == (None, None, None)


async def test_a_lower_version_replaces_nothing() -> None:
    async with Mirror.open(None) as mirror:
        newer = a_voice("Berta", voice_id=ANNA.id)
        await mirror.keep(ANNA.id, versioned(2, newer), checked_at=1.0)
        seen = await mirror.keep(ANNA.id, versioned(1, ANNA), checked_at=9.0)
        assert seen is not None
        assert (seen.record.voice, seen.checked_at) == (newer, 1.0)
        assert await mirror.find("anna") is None
        assert await mirror.find("berta") == seen


async def test_the_same_version_is_confirmed() -> None:
    async with Mirror.open(None) as mirror:
        await mirror.keep(ANNA.id, versioned(2, ANNA, '"a"'), checked_at=1.0)
        seen = await mirror.keep(ANNA.id, versioned(2, ANNA, '"b"'), checked_at=2.0)
        assert seen is not None
        assert (seen.etag, seen.checked_at) == ('"b"', 2.0)


async def test_a_deleted_voice_is_known_and_not_found_and_stays_deleted() -> None:
    async with Mirror.open(None) as mirror:
        await mirror.keep(ANNA.id, versioned(1, ANNA), checked_at=1.0)
        await mirror.keep(ANNA.id, versioned(2, None), checked_at=2.0)
        await mirror.keep(ANNA.id, versioned(1, ANNA), checked_at=3.0)
        assert (await mirror.find("anna"), await mirror.page(None, 10)) == (None, ())
        seen = await mirror.get(ANNA.id)
        assert seen is not None
        assert seen.record.voice is None
        assert await mirror.etags() == {ANNA.id: '"2"'}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.floats(0, 100)), min_size=1, max_size=12))
def test_versions_in_any_order_end_with_the_highest(arrivals: list[tuple[int, float]]) -> None:
    """Version 6 is the deletion; each version has a name of its own."""

    def version(number: int) -> Versioned:
        return versioned(number, None if number == 6 else a_voice(f"name {number}", voice_id=ANNA.id))

    async def check() -> None:
        async with Mirror.open(None) as mirror:
            for number, checked_at in arrivals:
                await mirror.keep(ANNA.id, version(number), checked_at=checked_at)
            highest = max(number for number, _ in arrivals)
            seen = await mirror.get(ANNA.id)
            assert seen is not None
            assert seen.record.version == highest
            assert seen.checked_at == [at for number, at in arrivals if number == highest][-1]
            for number in range(1, 7):
                found = await mirror.find(f"name {number}")
                assert (found is not None) == (number == highest != 6)

    asyncio.run(check())


async def test_of_two_voices_with_a_name_the_one_confirmed_last_is_found() -> None:
    old, young = sorted((a_voice("Anna"), a_voice("Anna")), key=lambda voice: voice.id)
    async with Mirror.open(None) as mirror:

        async def found() -> str:
            seen = await mirror.find("anna")
            assert seen is not None
            assert seen.record.voice is not None
            return seen.record.voice.id

        await mirror.keep(young.id, versioned(1, young), checked_at=1.0)
        await mirror.keep(old.id, versioned(1, old), checked_at=2.0)
        assert await found() == old.id
        await mirror.touch({young.id: '"1"'}, checked_at=3.0)
        assert await found() == young.id
        await mirror.touch({old.id: '"1"'}, checked_at=3.0)
        assert await found() == young.id


async def test_only_the_etag_that_was_named_is_touched_or_forgotten() -> None:
    async with Mirror.open(None) as mirror:
        await mirror.keep(ANNA.id, versioned(2, ANNA), checked_at=1.0)
        before = await mirror.get(ANNA.id)
        await mirror.touch({ANNA.id: '"1"'}, checked_at=5.0)
        await mirror.forget({ANNA.id: '"1"'}, at=5.0)
        assert await mirror.get(ANNA.id) == before == await mirror.find("anna")
        await mirror.forget({ANNA.id: '"2"'}, at=5.0)
        assert await mirror.get(ANNA.id) is await mirror.find("anna") is None
        assert (await mirror.page(None, 10), await mirror.etags()) == ((), {})


async def test_what_was_asked_for_before_a_voice_was_gone_does_not_bring_it_back() -> None:
    """But what was asked for afterwards does, whatever its version: somebody has restored a backup."""
    async with Mirror.open(None) as mirror:
        await mirror.keep(ANNA.id, versioned(5, ANNA), checked_at=1.0)
        await mirror.forget({ANNA.id: '"5"'}, at=10.0)
        await mirror.touch({ANNA.id: ""}, checked_at=11.0)
        assert await mirror.keep(ANNA.id, versioned(6, ANNA), checked_at=9.0) is None
        assert await mirror.page(None, 10) == ()
        assert await mirror.keep(ANNA.id, versioned(4, ANNA), checked_at=10.5) is not None
        assert await mirror.page(None, 10) == (ANNA,)


async def test_what_is_gone_for_long_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    async with Mirror.open(path) as mirror:
        await mirror.keep(ANNA.id, versioned(5, ANNA), checked_at=1.0)
        await mirror.forget({ANNA.id: '"5"'}, at=10.0)
        await mirror.keep_listed_at(20.0)
        assert rows(path) == 1
        await mirror.keep_listed_at(9_999.0)
        assert rows(path) == 0


async def test_pages_follow_one_another_in_order_of_id() -> None:
    voices = sorted((a_voice(f"name {i}") for i in range(25)), key=lambda voice: voice.id)
    async with Mirror.open(None) as mirror:
        await mirror.keep_many([(voice.id, versioned(1, voice), 1.0) for voice in reversed(voices)])
        await mirror.keep(voices[3].id, versioned(2, None), checked_at=1.0)
        seen, after = list[str](), None
        while page := await mirror.page(after, 10):
            assert len(page) <= 10
            after = page[-1].id
            seen += [voice.id for voice in page]
        assert seen == [voice.id for voice in voices if voice is not voices[3]]


async def test_an_answer_about_the_default_does_not_undo_what_came_meanwhile() -> None:
    async with Mirror.open(None) as mirror:
        await mirror.keep_default("old", checked_at=1.0, over=0)
        known = await mirror.default()
        assert known is not None
        await mirror.keep_default("mine", checked_at=0.5)
        await mirror.keep_default("late", checked_at=2.0, over=known.times)
        await mirror.keep_default("later", checked_at=3.0, over=0)
        chosen = await mirror.default()
        assert chosen is not None
        assert chosen.voice_id == "mine"
        await mirror.keep_default(None, checked_at=4.0, over=chosen.times)
        chosen = await mirror.default()
        assert chosen is not None
        assert (chosen.voice_id, chosen.checked_at) == (None, 4.0)


async def test_another_librarys_mirror_is_emptied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mirror.db"
    await filled(path)
    async with Mirror.open(path) as mirror:
        await mirror.begin("one")
        assert (await mirror.find("anna"), caplog.records) != (None, [])
        await mirror.begin("other")
        assert await mirror.find("anna") is None
        assert (await mirror.page(None, 10), await mirror.default(), await mirror.listed_at()) == ((), None, None)
        assert await mirror.library_id() == "other"
    assert len(caplog.records) == 1
    assert "another library, one" in caplog.text


def newer(path: Path) -> None:
    execute(path, "PRAGMA user_version = 99")


def another_programs(path: Path) -> None:
    path.unlink()
    execute(path, "CREATE TABLE voices (x)")


def no_database(path: Path) -> None:
    path.write_bytes(b"these are not the pages of a database" * 500)


def torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


@pytest.mark.parametrize("harm", [newer, another_programs, no_database, torn], ids=lambda harm: str(harm.__name__))
async def test_a_file_that_cannot_serve_is_built_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: object
) -> None:
    path = tmp_path / "mirror.db"
    await filled(path)
    assert callable(harm)
    harm(path)
    async with Mirror.open(path) as mirror:
        assert (await mirror.find("anna"), await mirror.library_id()) == (None, None)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is rebuilt" in caplog.text
    caplog.clear()
    await filled(path)
    async with Mirror.open(path) as mirror:
        assert await mirror.find("anna") is not None
    assert caplog.records == []


async def test_a_wiped_file_is_a_new_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mirror.db"
    await filled(path)
    path.write_bytes(b"")
    async with Mirror.open(path) as mirror:
        assert await mirror.library_id() is None
    await filled(path)
    assert caplog.records == []


async def test_a_row_that_is_damaged_ends_in_a_new_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mirror.db"
    await filled(path)
    execute(path, "UPDATE voices SET body = '{'")
    async with Mirror.open(path) as mirror:
        assert await mirror.find("anna") is None
    async with Mirror.open(path) as mirror:
        assert await mirror.library_id() is None
    assert ["in memory" in caplog.messages[0], "rebuilt" in caplog.messages[1]] == [True, True]


@pytest.mark.parametrize("kind", ["no folder", "a folder in its place", "read-only"])
async def test_where_nothing_can_be_written_memory_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "folder" / "mirror.db"
    if kind == "no folder":
        path.parent.write_text("a file")
    elif kind == "a folder in its place":
        path.mkdir(parents=True)
    else:  # root may write anywhere, so the refusal is SQLite's own
        connect = sqlite3.connect

        def read_only(database: object, **options: object) -> sqlite3.Connection:
            if database == ":memory:":
                return connect(":memory:", isolation_level=None)
            path.parent.mkdir(exist_ok=True)
            path.touch()
            return connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)

        monkeypatch.setattr("chatterbox_api_storage_r2.mirror_file.sqlite3.connect", read_only)
    async with Mirror.open(path) as mirror:
        await mirror.begin("one")
        await mirror.keep(ANNA.id, versioned(1, ANNA), checked_at=1.0)
        assert await mirror.find("anna") is not None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "kept in memory" in caplog.text


async def test_a_disk_that_fills_up_takes_nothing_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was known goes on in memory, and so does what comes. The next start finds what was on the disk."""
    path = tmp_path / "mirror.db"
    file = HeldFile(path, SCHEMA)
    async with mirror_of(file) as mirror:
        await mirror.begin("one")
        await mirror.keep(ANNA.id, versioned(1, ANNA), checked_at=1.0)
        file.pages = 1
        assert mirror.path == path
        more = [a_voice(f"name {i}") for i in range(500)]
        await mirror.keep_many([(voice.id, versioned(1, voice), 2.0) for voice in more])
        assert mirror.path is None
        assert await mirror.find("name 499") is not None
        assert await mirror.find("anna") is not None
        assert await mirror.library_id() == "one"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    async with Mirror.open(path) as mirror:
        assert await mirror.find("anna") is not None
        assert await mirror.find("name 499") is None


class HeldFile(MirrorFile):
    """Begins its work when it may.

    Attributes:
        released: no work begins before it is set.
        threads: those that work was done in.
        pages: how many pages the file on disk may have, as on a full disk; None for any number.
    """

    def __init__(self, path: Path, schema: tuple[str, ...]) -> None:
        super().__init__(path, schema)
        self.released, self.threads = threading.Event(), set[int]()
        self.released.set()
        self.pages: int | None = None

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def limited(connection: sqlite3.Connection) -> T:
            if self.pages is not None and self.path is not None:
                connection.execute(f"PRAGMA max_page_count = {self.pages}").fetchone()
            return work(connection)

        self.threads.add(threading.get_ident())
        assert self.released.wait(30)
        return super().run(limited)


@asynccontextmanager
async def mirror_of(file: MirrorFile) -> AsyncGenerator[Mirror, None]:
    with ThreadPoolExecutor(1) as thread:
        yield Mirror(file, thread)
        thread.submit(file.close)


async def test_two_mirrors_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    async with Mirror.open(path) as one, Mirror.open(path) as other:
        await one.begin("one")
        await other.begin("one")
        await one.keep(ANNA.id, versioned(1, ANNA), checked_at=1.0)
        assert await other.find("anna") is not None
        await other.keep(ANNA.id, versioned(2, None), checked_at=2.0)
        await one.keep(ANNA.id, versioned(1, ANNA), checked_at=3.0)
        assert await one.find("anna") is await other.find("anna") is None


WRITER = """
import asyncio, sys
from pathlib import Path
from storage_r2.reading import a_voice, versioned
from chatterbox_api_storage_r2.mirror import Mirror

async def main():
    async with Mirror.open(Path(sys.argv[1])) as mirror:
        await mirror.begin("one")
        for i in range(200):
            voice = a_voice(f"{sys.argv[2]} {i}")
            await mirror.keep(voice.id, versioned(1, voice), checked_at=1.0)
            await mirror.touch({voice.id: '"1"'}, checked_at=2.0)

asyncio.run(main())
"""


async def test_processes_that_start_on_a_damaged_file_and_write_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    await filled(path)
    no_database(path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    commands = [[sys.executable, "-c", WRITER, str(path), name] for name in ("one", "two", "three")]
    children = [subprocess.Popen(each, env=environment, stderr=subprocess.PIPE, text=True) for each in commands]
    errors = [(await asyncio.to_thread(child.communicate))[1] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], errors
    assert "".join(errors).count("is rebuilt") == 1
    assert "memory" not in "".join(errors)
    assert rows(path) == 600


async def test_the_loop_is_never_held_up_and_a_cancelled_caller_breaks_nothing(tmp_path: Path) -> None:
    file = HeldFile(tmp_path / "mirror.db", SCHEMA)
    async with mirror_of(file) as mirror:
        file.released.clear()
        running = asyncio.create_task(mirror.begin("whole"))
        while not file.threads:
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(mirror.begin("dropped"))
        await asyncio.sleep(0.001)
        for task in (running, waiting):
            task.cancel()
        await asyncio.wait([running, waiting])
        assert running.cancelled()
        assert waiting.cancelled()
        assert file.threads.isdisjoint({threading.get_ident()})
        file.released.set()
        assert await mirror.library_id() == "whole"
        await mirror.keep(ANNA.id, versioned(1, ANNA), checked_at=1.0)
        assert await mirror.find("anna") is not None


async def test_work_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE library SET id = 'half'")
        raise ZeroDivisionError

    file = MirrorFile(tmp_path / "mirror.db", SCHEMA)
    with pytest.raises(ZeroDivisionError):
        file.run(fails)
    file.close()
    async with Mirror.open(tmp_path / "mirror.db") as mirror:
        assert await mirror.library_id() is None


async def test_another_process_that_hangs_in_a_write_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatterbox_api_storage_r2.mirror_file._BUSY_S", 0.05)
    path = tmp_path / "mirror.db"
    await filled(path)
    async with Mirror.open(path) as mirror:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        berta = a_voice("Berta")
        began_s = time.monotonic()
        await mirror.keep(berta.id, versioned(1, berta), checked_at=1.0)
        assert time.monotonic() - began_s < 30
        assert await mirror.find("berta") is not None
        assert await mirror.find("anna") is not None
        other.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def filled(path: Path) -> None:
    async with Mirror.open(path) as mirror:
        await mirror.begin("one")
        await mirror.keep(ANNA.id, versioned(1, ANNA), checked_at=1.0)
        await mirror.keep_default(ANNA.id, checked_at=1.0)
        await mirror.keep_listed_at(1.0)


def execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def rows(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM voices").fetchone()[0])
    finally:
        connection.close()
