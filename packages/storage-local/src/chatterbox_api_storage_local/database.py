"""The file `voices.db`: opened, migrated, and used in transactions.

Several processes share it, so nothing of it is remembered between two calls. A database that is damaged or from a
newer version is refused and left as it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_storage_local.errors import FIELD

__all__ = ["SCHEMA_VERSION", "check_sound", "open_for_reading", "open_for_writing", "transaction"]

_MIGRATIONS: Final = (
    (
        """CREATE TABLE voices (
            id TEXT NOT NULL PRIMARY KEY,
            file TEXT NOT NULL UNIQUE,
            sha256 TEXT NOT NULL,
            size_bytes INTEGER NOT NULL,
            duration_s REAL NOT NULL,
            media_type TEXT NOT NULL,
            filename TEXT NOT NULL,
            language TEXT,
            consent TEXT,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL,
            revision INTEGER NOT NULL
        ) WITHOUT ROWID""",
        # Position 0 is the voice's name, the others are its aliases.
        """CREATE TABLE names (
            canonical TEXT NOT NULL PRIMARY KEY,
            spelling TEXT NOT NULL,
            voice_id TEXT NOT NULL REFERENCES voices (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            UNIQUE (voice_id, position)
        ) WITHOUT ROWID""",
        """CREATE TABLE default_voice (
            only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
            voice_id TEXT NOT NULL REFERENCES voices (id) ON DELETE CASCADE
        )""",
    ),
)
SCHEMA_VERSION: Final = len(_MIGRATIONS)
"""A migration is added at the end; one that has been released is never changed."""

_BUSY_S: Final = 10.0
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_for_writing(path: Path, *, has_clips: Callable[[], bool]) -> sqlite3.Connection:
    """Open the database for reading and writing; create or migrate it where needed.

    Args:
        has_clips: whether the folder holds clips. A new database would not know them, so it is refused.

    Raises:
        ConfigurationError: the database is damaged, newer than this version, or missing beside clips.
        sqlite3.Error: SQLite cannot open or write the file.
    """

    def prepare(connection: sqlite3.Connection) -> None:
        _check_not_newer(connection, path)
        _use_wal(connection)
        _migrate(connection, path, has_clips)

    return _open(path, "mode=rwc", prepare)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the database for reading; nothing on the disk changes.

    Raises:
        ConfigurationError: the database is damaged, or of another version than this one.
        sqlite3.Error: SQLite cannot open the file.
    """

    def prepare(connection: sqlite3.Connection) -> None:
        _check_not_newer(connection, path)
        if _version(connection) < SCHEMA_VERSION:
            raise ConfigurationError(
                f"{path} is of an older version and cannot be migrated: it is read-only.",
                field=FIELD,
                remedy="Let the service write to this folder once.",
            )

    try:
        return _open(path, "mode=ro", prepare)
    except sqlite3.OperationalError:
        # SQLite cannot share a database in WAL mode where it can create no file; alone, it can read one whose log
        # has been brought in.
        wal = path.with_name(f"{path.name}-wal")
        if not path.exists() or (wal.exists() and wal.stat().st_size):
            raise
        return _open(path, "immutable=1", prepare)


def check_sound(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ConfigurationError if the database is damaged."""
    try:
        findings = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.DatabaseError as error:
        findings = [str(error)]
    if findings != ["ok"]:
        raise _damaged(path, findings[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that excludes all other writers, in any process. It is on the disk when the context ends.

    An exception rolls it back. Raises sqlite3.Error where another writer holds the database for 10 s.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _open(path: Path, how: str, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        prepare(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise _damaged(path, str(error)) from error
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Several processes may do this to a new file at once, for which SQLite's own patience does not hold."""
    give_up_s = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_s:
                raise
            time.sleep(0.02)


def _migrate(connection: sqlite3.Connection, path: Path, has_clips: Callable[[], bool]) -> None:
    if _version(connection) == SCHEMA_VERSION:
        return
    with transaction(connection):
        known = _version(connection)  # another process may have been first
        if known == 0 and has_clips():
            raise ConfigurationError(
                f"{path} is missing or empty, but {path.parent} contains clips.",
                field=FIELD,
                remedy="Restore it from a backup, or move the clips away.",
            )
        for statements in _MIGRATIONS[known:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_not_newer(connection: sqlite3.Connection, path: Path) -> None:
    found = _version(connection)
    if found > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path} was written by a newer version: its schema is {found}, the newest known one is {SCHEMA_VERSION}.",
            field=FIELD,
            remedy="Install the newer version, or choose another folder.",
        )


def _damaged(path: Path, finding: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is damaged: {finding.strip().rstrip('.')}. It has been left as it is.",
        field=FIELD,
        remedy="Restore it from a backup, or move it and the clips beside it away.",
    )
