"""A copy of the library on the local disk: what was last seen of each voice, and when the bucket last confirmed it.

With it voices are listed and found without the network, and still speak while the bucket is away. It is never the
truth, so it keeps two promises only:

* **it does not go back.** A record is replaced by one of the same or a higher version, never by a lower one, so an
  answer that was long on its way undoes nothing. Deleted voices stay as rows that nobody finds, so that such an
  answer does not revive them. A voice whose document is gone altogether stays as a row of version 0 for a while:
  what was asked for before that was noticed is not taken in, whatever was asked for later is;
* **a name leads to the voice confirmed last.** Two voices can both list a name here for a time, when one has been
  seen since it took the name and the other not since it gave the name up. Both rows stay; `find` takes the one with
  the later `checked_at`, and of two the younger voice. Whoever needs certainty asks the bucket about that voice.

All of SQLite's work is done in one thread; a caller who is cancelled leaves it undone or done, never half.
Several processes may share the file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, TypeVar

from chatterbox_api_core.errors import StorageFailed
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.revisions import canonical_names
from chatterbox_api_storage_r2.mirror_file import Damaged, MirrorFile
from chatterbox_api_storage_r2.records import Record, Versioned, parsed_record, voice_key

__all__ = ["Chosen", "Mirror", "Seen"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_GONE_KEPT_S: Final = 3600.0
"""How long it is remembered that a document is gone; longer than any answer can be on its way."""

_SCHEMA: Final = (
    """CREATE TABLE library (
        only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
        id TEXT,
        listed_at REAL
    )""",
    "INSERT INTO library (only) VALUES (1)",
    """CREATE TABLE voices (
        id TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL,
        live INTEGER NOT NULL,
        etag TEXT NOT NULL,
        checked_at REAL NOT NULL,
        body TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE names (
        canonical TEXT NOT NULL,
        voice_id TEXT NOT NULL,
        PRIMARY KEY (canonical, voice_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX names_of_voice ON names (voice_id)",
    """CREATE TABLE default_voice (
        only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
        voice_id TEXT,
        nonce TEXT NOT NULL,
        checked_at REAL NOT NULL,
        times INTEGER NOT NULL
    )""",
    f"-- bodies have the fields {', '.join(field.name for field in fields(Voice))}",
)

_KEEP: Final = """INSERT INTO voices (id, version, live, etag, checked_at, body) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, live = excluded.live, etag = excluded.etag,
        checked_at = excluded.checked_at, body = excluded.body
    WHERE CASE
        WHEN version = 0 THEN excluded.checked_at > checked_at
        WHEN NOT excluded.live THEN live OR excluded.version >= version
        ELSE live AND excluded.version >= version
    END"""
"""The higher version is the later one, and a deleted voice is final, whatever its version: once its document has been
swept, a fence leaves a tombstone that counts from one again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the bucket said of a voice, and when it last confirmed that: seconds of the wall clock."""

    record: Record
    etag: str
    checked_at: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """The default voice as it was last seen.

    Attributes:
        nonce: of the document that says so; empty when it is not known.
        times: how often this has been written to the mirror.
    """

    voice_id: str | None
    nonce: str
    checked_at: float
    times: int


class Mirror:
    """See the module. Use `open`."""

    def __init__(self, file: MirrorFile, thread: ThreadPoolExecutor) -> None:
        self._file, self._thread = file, thread

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path | None) -> AsyncGenerator[Mirror, None]:
        """Open the mirror in a file, or in memory for None. A file that cannot serve is no error: see `MirrorFile`."""
        file, thread = MirrorFile(path, _SCHEMA), ThreadPoolExecutor(1, thread_name_prefix="r2-mirror")
        try:
            mirror = cls(file, thread)
            await mirror.library_id()
            yield mirror
        finally:
            thread.submit(file.close)
            await asyncio.shield(asyncio.to_thread(thread.shutdown))

    @property
    def path(self) -> Path | None:
        """The file; None for a mirror in memory."""
        return self._file.path

    async def library_id(self) -> str | None:
        """The library that this is a copy of; None while it is new."""
        return await self._run(_library_id)

    async def begin(self, library_id: str) -> None:
        """Be a copy of this library; empty, if it has been one of another."""

        def work(connection: sqlite3.Connection) -> str | None:
            connection.execute("UPDATE library SET only = 1")  # takes the writer's place before it reads
            before = _library_id(connection)
            if before != library_id:
                for table in ("voices", "names", "default_voice"):
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608
                connection.execute("UPDATE library SET id = ?, listed_at = NULL", (library_id,))
            return before

        before = await self._run(work)
        if before not in (None, library_id):
            _log.warning("the mirror was one of another library, %s; it is built anew", before)

    async def get(self, voice_id: str) -> Seen | None:
        """What is known of a voice, which may be that it is deleted."""
        return await self._run(lambda connection: _get(connection, voice_id))

    async def find(self, canonical: str) -> Seen | None:
        """The live voice that lists this name; of several the one confirmed last."""

        def work(connection: sqlite3.Connection) -> Seen | None:
            row = connection.execute(
                """SELECT id, body, etag, checked_at FROM names JOIN voices ON id = voice_id WHERE canonical = ?
                ORDER BY checked_at DESC, id DESC LIMIT 1""",
                (canonical,),
            ).fetchone()
            return _seen(row)

        return await self._run(work)

    async def page(self, after: str | None, limit: int) -> tuple[Voice, ...]:
        """At most `limit` live voices in order of id, behind the id `after`."""

        def work(connection: sqlite3.Connection) -> tuple[Voice, ...]:
            rows = connection.execute(
                "SELECT id, body FROM voices WHERE id > ? AND live ORDER BY id LIMIT ?", (after or "", limit)
            )
            records = (_record(voice_id, body) for voice_id, body in rows)
            return tuple(record.voice for record in records if record.voice is not None)

        return await self._run(work)

    async def keep(self, voice_id: str, versioned: Versioned, *, checked_at: float) -> Seen | None:
        """Take in what the bucket says of a voice; what is known of it then, which may be something newer.

        Args:
            checked_at: when the bucket was asked, so that it is not taken for newer than it is.
        """

        def work(connection: sqlite3.Connection) -> Seen | None:
            _keep(connection, voice_id, versioned, checked_at)
            return _get(connection, voice_id)

        return await self._run(work)

    async def keep_many(self, seen: Iterable[tuple[str, Versioned, float]]) -> None:
        """The same for several: id, record, and when the bucket was asked."""
        known = tuple(seen)

        def work(connection: sqlite3.Connection) -> None:
            for voice_id, versioned, checked_at in known:
                _keep(connection, voice_id, versioned, checked_at)

        await self._run(work)

    async def touch(self, etags: Mapping[str, str], *, checked_at: float) -> None:
        """The bucket has confirmed these ETags, by voice; those that have changed here meanwhile are left alone."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE voices SET checked_at = ? WHERE id = ? AND etag = ? AND version > 0",
                [(checked_at, voice_id, etag) for voice_id, etag in etags.items()],
            )

        await self._run(work)

    async def forget(self, etags: Mapping[str, str], *, at: float) -> None:
        """The documents that had these ETags, by voice, are gone; those that have changed here are left alone.

        Args:
            at: when the bucket was asked.
        """

        def work(connection: sqlite3.Connection) -> None:
            for voice_id, etag in etags.items():
                gone = connection.execute(
                    """UPDATE voices SET version = 0, live = 0, etag = '', body = '', checked_at = ?
                    WHERE id = ? AND etag = ? AND version > 0""",
                    (at, voice_id, etag),
                )
                if gone.rowcount:
                    connection.execute("DELETE FROM names WHERE voice_id = ?", (voice_id,))

        await self._run(work)

    async def etags(self) -> dict[str, str]:
        """The ETags of all voices' documents, also the deleted ones', by voice."""
        return await self._run(lambda connection: dict(connection.execute("SELECT id, etag FROM voices WHERE version")))

    async def default(self) -> Chosen | None:
        """The default voice; None while nothing is known of it."""

        def work(connection: sqlite3.Connection) -> Chosen | None:
            row = connection.execute("SELECT voice_id, nonce, checked_at, times FROM default_voice").fetchone()
            return None if row is None else Chosen(*row)

        return await self._run(work)

    async def keep_default(
        self, voice_id: str | None, *, checked_at: float, nonce: str = "", over: int | None = None
    ) -> None:
        """Take in which voice is the default.

        Args:
            over: `times` of what was known when the bucket was asked, 0 for nothing; if that has changed, this may
                be older than the change, and is dropped. None for one's own write, which is not.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT INTO default_voice (only, voice_id, nonce, checked_at, times) VALUES (1, ?1, ?2, ?3, 1)
                ON CONFLICT (only) DO UPDATE SET voice_id = excluded.voice_id, nonce = excluded.nonce,
                    checked_at = excluded.checked_at, times = times + 1
                WHERE ?4 IS NULL OR times = ?4""",
                (voice_id, nonce, checked_at, over),
            )

        await self._run(work)

    async def listed_at(self) -> float | None:
        """When the last full listing of the bucket began; None when there was none."""
        return await self._run(lambda connection: connection.execute("SELECT listed_at FROM library").fetchone()[0])

    async def keep_listed_at(self, at: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE library SET listed_at = ?", (at,))
            connection.execute("DELETE FROM voices WHERE version = 0 AND checked_at < ?", (at - _GONE_KEPT_S,))

        await self._run(work)

    async def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.wrap_future(self._thread.submit(self._file.run, work))


def _library_id(connection: sqlite3.Connection) -> str | None:
    found: str | None = connection.execute("SELECT id FROM library").fetchone()[0]
    return found


def _get(connection: sqlite3.Connection, voice_id: str) -> Seen | None:
    query = "SELECT id, body, etag, checked_at FROM voices WHERE id = ? AND version > 0"
    return _seen(connection.execute(query, (voice_id,)).fetchone())


def _keep(connection: sqlite3.Connection, voice_id: str, versioned: Versioned, checked_at: float) -> None:
    record = versioned.record
    body = json.dumps(record.body, ensure_ascii=False)
    row = (voice_id, record.version, record.voice is not None, versioned.etag, checked_at, body)
    if connection.execute(_KEEP, row).rowcount:
        names = () if record.voice is None else canonical_names(record.voice)
        connection.execute("DELETE FROM names WHERE voice_id = ?", (voice_id,))
        connection.executemany("INSERT INTO names VALUES (?, ?)", [(name, voice_id) for name in names])


def _seen(row: tuple[str, str, str, float] | None) -> Seen | None:
    return None if row is None else Seen(_record(row[0], row[1]), row[2], row[3])


def _record(voice_id: str, body: str) -> Record:
    try:
        return parsed_record(json.loads(body), key=voice_key(voice_id))
    except (ValueError, StorageFailed) as error:
        raise Damaged(f"the row of {voice_id} is damaged") from error
