"""The SQLite file of the mirror: it is rebuilt where it cannot be used, and replaced by memory where it cannot be kept.

The file is a copy, so nothing here may fail: whatever is wrong with the file or its disk ends in an empty or an
in-memory database and one line in the log. For the same reason `synchronous=NORMAL` suffices. With a write-ahead
log it never leaves the file torn; a power cut can undo the last commits, and then the bucket is asked again.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

__all__ = ["DamagedRow", "MirrorFile"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_BUSY_S: Final = 2.0
_LOCK_S: Final = 10.0
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DamagedRow(sqlite3.DatabaseError):
    """A row does not contain what was written there; treated like damage that SQLite finds."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


class _Unusable(Exception):
    """The file is readable, but this version of the program has not written it, or it is damaged."""


class MirrorFile:
    """A database that is opened at the first `run`. Used by one thread.

    Args:
        path: the file; None for memory.
        schema: the statements that create an empty database. A file that was created by others is rebuilt.
    """

    def __init__(self, path: Path | None, schema: tuple[str, ...]) -> None:
        self._path, self._schema = path, schema
        self._version: Final = zlib.crc32(repr(schema).encode()) & 0x7FFFFFFF or 1
        self._connection: sqlite3.Connection | None = None

    @property
    def path(self) -> Path | None:
        """The file; None where the database is in memory."""
        return self._path

    def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do the work in one transaction; in memory if the disk fails. Raises what the work raises."""
        try:
            with _transaction(self._opened()) as connection:
                return work(connection)
        except (OSError, sqlite3.Error) as error:
            if self._path is None:
                raise
            self._move_to_memory(error)
        with _transaction(self._opened()) as connection:
            return work(connection)

    def close(self) -> None:
        """Close the database; nothing is run after that."""
        if self._connection is not None:
            self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open_in_memory() if self._path is None else self._open_or_rebuild(self._path)
        return self._connection

    def _move_to_memory(self, error: Exception) -> None:
        """Continue in memory with what can still be read."""
        _log.warning("the mirror %s cannot be kept on disk, so it is kept in memory: %s", self._path, error)
        old, self._connection, self._path = self._connection, None, None
        if old is None:
            return
        with closing(old):
            if _is_damage(error):
                with suppress(sqlite3.Error):  # so that the next start rebuilds the file
                    old.execute("PRAGMA user_version = 0")
                return
            memory = sqlite3.connect(":memory:", isolation_level=None)
            try:
                old.backup(memory)
                self._check(memory)
            except (_Unusable, sqlite3.Error):
                memory.close()
            else:
                self._connection = memory

    def _open_in_memory(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        self._create(connection)
        return connection

    def _open_or_rebuild(self, path: Path) -> sqlite3.Connection:
        """Open the file, one process after another, so that none removes what another has just built.

        A process that still uses a removed file can go on: SQLite keeps its files open, and does not touch files of
        the same names when it closes a database that has been moved.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(f"{path}.lock", timeout=_LOCK_S, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            try:
                return self._open(path)
            except (_Unusable, sqlite3.DatabaseError) as error:
                if not isinstance(error, _Unusable) and not _is_damage(error):
                    raise
                _log.warning("the mirror %s is rebuilt: %s", path, error)
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            is_new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not is_new:
                self._check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if is_new:
                self._create(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection):
            for statement in self._schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self._version}")

    def _check(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA user_version").fetchone()[0] != self._version:
            raise _Unusable("it was written by another version")
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if finding != "ok":
            raise _Unusable(f"it is damaged: {finding}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """A transaction that is done or undone as a whole.

    It begins without the write lock, so each piece of work only reads, or begins with its write.
    """
    connection.execute("BEGIN")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def _is_damage(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
