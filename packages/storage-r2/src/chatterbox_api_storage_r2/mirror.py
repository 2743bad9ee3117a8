"""A copy of the library on the local disk: what was last seen of each voice, and when the bucket last confirmed it.

With it voices are listed and found without the network, and still speak while the bucket is unavailable. The truth is
in the bucket alone, so the mirror keeps two promises only:

* **it does not go back.** A record is replaced by one of the same or a higher version, never by a lower one, so an
  answer that was slow to arrive undoes nothing. Deleted voices stay as rows that nothing finds, so that such an
  answer does not revive them. A voice whose document is gone altogether stays as a row of version 0 for a while:
  what was asked for before that was noticed is not taken in, whatever was asked for later is;
* **a name leads to the voice confirmed last.** Two voices can both list a name here for a time, when one has been
  read since it took the name and the other not since it gave the name up. Both rows stay; `find` takes the one with
  the later `checked_at`, and of two the younger voice. A caller that needs certainty asks the bucket about that voice.

`mirror_schema` has the statements that keep them. All work of SQLite is done in one thread; a caller that is cancelled
leaves its work undone or done, never half. Several processes may share the file.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from chatterbox_api_core.types import Voice
from chatterbox_api_storage_r2.layout import Versioned
from chatterbox_api_storage_r2.mirror_file import MirrorFile
from chatterbox_api_storage_r2.mirror_schema import (
    SCHEMA,
    CachedDefault,
    CachedRecord,
    parsed_row,
    select_by_id,
    select_by_name,
    select_library_id,
    upsert_record,
)

__all__ = ["CachedDefault", "CachedRecord", "Mirror"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_GONE_KEPT_S: Final = 3600.0
"""How long it is remembered that a document is gone; longer than any answer takes to arrive."""


class Mirror:
    """The copy of a library. Used on one event loop; see the module.

        async with Mirror.open(path) as mirror:
            await mirror.begin(library_id)
            await mirror.keep(voice_id, versioned, checked_at=time.time())
            cached = await mirror.find("anna")

    No method fails because of the file: what is wrong with it ends in an empty mirror, or in one in memory.
    """

    def __init__(self, file: MirrorFile, thread: ThreadPoolExecutor) -> None:
        self._file, self._thread = file, thread

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path | None) -> AsyncGenerator[Mirror, None]:
        """The mirror in a file, or in memory for None, until the end of the block."""
        file, thread = MirrorFile(path, SCHEMA), ThreadPoolExecutor(1, thread_name_prefix="r2-mirror")
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
        return await self._run(select_library_id)

    async def begin(self, library_id: str) -> None:
        """Make this the copy of a library; it is emptied if it was one of another library."""

        def work(connection: sqlite3.Connection) -> str | None:
            # This takes the write lock before it reads, so that no other process begins another library meanwhile.
            connection.execute("UPDATE library SET only = 1")
            before = select_library_id(connection)
            if before != library_id:
                for table in ("voices", "names", "default_voice"):
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608
                connection.execute("UPDATE library SET id = ?, listed_at = NULL", (library_id,))
            return before

        before = await self._run(work)
        if before not in (None, library_id):
            _log.warning("the mirror was one of another library, %s; it is rebuilt", before)

    async def get(self, voice_id: str) -> CachedRecord | None:
        """What is known of a voice, which may be that it is deleted; None where nothing is."""
        return await self._run(lambda connection: select_by_id(connection, voice_id))

    async def find(self, canonical: str) -> CachedRecord | None:
        """The live voice that lists this name; of several the one confirmed last."""
        return await self._run(lambda connection: select_by_name(connection, canonical))

    async def page(self, after: str | None, limit: int) -> tuple[Voice, ...]:
        """At most `limit` live voices in order of id, beginning behind the id `after`; None for the first page."""

        def work(connection: sqlite3.Connection) -> tuple[Voice, ...]:
            rows = connection.execute(
                "SELECT id, body FROM voices WHERE id > ? AND live ORDER BY id LIMIT ?", (after or "", limit)
            )
            records = (parsed_row(voice_id, body) for voice_id, body in rows)
            return tuple(record.voice for record in records if record.voice is not None)

        return await self._run(work)

    async def keep(self, voice_id: str, versioned: Versioned, *, checked_at: float) -> CachedRecord | None:
        """Take in what the bucket says of a voice; returns what is known then, which may be something later.

        Args:
            checked_at: when the bucket was asked, so that the answer is not taken for a later one.
        """

        def work(connection: sqlite3.Connection) -> CachedRecord | None:
            upsert_record(connection, voice_id, versioned, checked_at)
            return select_by_id(connection, voice_id)

        return await self._run(work)

    async def keep_many(self, seen: Iterable[tuple[str, Versioned, float]]) -> None:
        """The same for several voices, all or none: id, record, and when the bucket was asked."""
        known = tuple(seen)

        def work(connection: sqlite3.Connection) -> None:
            for voice_id, versioned, checked_at in known:
                upsert_record(connection, voice_id, versioned, checked_at)

        await self._run(work)

    async def touch(self, etags: Mapping[str, str], *, checked_at: float) -> None:
        """Note that the bucket has confirmed these ETags, by voice id. Voices with another ETag here stay."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE voices SET checked_at = ? WHERE id = ? AND etag = ? AND version > 0",
                [(checked_at, voice_id, etag) for voice_id, etag in etags.items()],
            )

        await self._run(work)

    async def forget(self, etags: Mapping[str, str], *, at: float) -> None:
        """Note that the documents with these ETags, by voice id, are gone. Voices with another ETag here stay.

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
        """The ETag of each voice's document by voice id; those of deleted voices too."""
        return await self._run(lambda connection: dict(connection.execute("SELECT id, etag FROM voices WHERE version")))

    async def default(self) -> CachedDefault | None:
        """The default voice; None while nothing is known of it."""

        def work(connection: sqlite3.Connection) -> CachedDefault | None:
            row = connection.execute("SELECT voice_id, nonce, checked_at, times FROM default_voice").fetchone()
            return None if row is None else CachedDefault(*row)

        return await self._run(work)

    async def keep_default(
        self, voice_id: str | None, *, checked_at: float, nonce: str = "", over: int | None = None
    ) -> None:
        """Take in which voice is the default; None for none.

        Args:
            checked_at: when the bucket was asked.
            nonce: of the document that says so; empty when it is not known.
            over: `times` of what was known when the bucket was asked, 0 for nothing. If that has changed since, this
                answer may be older than the change, and is dropped. None for a write of this server, which is kept.
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
        """When the last full list of the bucket began; None when there was none."""
        return await self._run(lambda connection: connection.execute("SELECT listed_at FROM library").fetchone()[0])

    async def keep_listed_at(self, at: float) -> None:
        """Note when a full list of the bucket began, and drop the rows of documents that are gone for long."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE library SET listed_at = ?", (at,))
            connection.execute("DELETE FROM voices WHERE version = 0 AND checked_at < ?", (at - _GONE_KEPT_S,))

        await self._run(work)

    async def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.wrap_future(self._thread.submit(self._file.run, work))
