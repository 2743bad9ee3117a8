"""The tables of the mirror, and the rule by which what the bucket says replaces what is known.

A change of these statements makes every mirror on disk one of another version, which is rebuilt at the next start.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, fields
from typing import Final

from chatterbox_api_core.errors import StorageFailed
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.revisions import canonical_names
from chatterbox_api_storage_r2.layout import Record, Versioned, parsed_record, voice_key
from chatterbox_api_storage_r2.mirror_file import DamagedRow

__all__ = [
    "SCHEMA",
    "CachedDefault",
    "CachedRecord",
    "parsed_row",
    "select_by_id",
    "select_by_name",
    "select_library_id",
    "upsert_record",
]

SCHEMA: Final = (
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

_UPSERT: Final = """INSERT INTO voices (id, version, live, etag, checked_at, body) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, live = excluded.live, etag = excluded.etag,
        checked_at = excluded.checked_at, body = excluded.body
    WHERE CASE
        WHEN version = 0 THEN excluded.checked_at > checked_at
        WHEN NOT excluded.live THEN live OR excluded.version >= version
        ELSE live AND excluded.version >= version
    END"""
"""A row changes if what arrives is later. The higher version is the later one, and a deleted voice is final, whatever
its version: once its document has been swept, a fence leaves a tombstone that counts from one again. Version 0 is that
of a voice whose document is gone; only what the bucket was asked for afterwards is later than that."""


@dataclass(frozen=True, slots=True)
class CachedRecord:
    """What the bucket said of a voice.

    Attributes:
        record: may be that of a deleted voice.
        etag: of the document; empty where another write had replaced that version already.
        checked_at: when the bucket last confirmed this, in seconds of the wall clock.
    """

    record: Record
    etag: str
    checked_at: float


@dataclass(frozen=True, slots=True)
class CachedDefault:
    """The default voice as the bucket last said it.

    Attributes:
        voice_id: None for no default.
        nonce: of the document that says so; empty when it is not known.
        checked_at: when the bucket last confirmed this, in seconds of the wall clock.
        times: how often this has been written to the mirror.
    """

    voice_id: str | None
    nonce: str
    checked_at: float
    times: int


def select_library_id(connection: sqlite3.Connection) -> str | None:
    """The library that the mirror is a copy of; None while it is new."""
    found: str | None = connection.execute("SELECT id FROM library").fetchone()[0]
    return found


def select_by_id(connection: sqlite3.Connection, voice_id: str) -> CachedRecord | None:
    """What is known of a voice; None where nothing is, or its document is gone."""
    query = "SELECT id, body, etag, checked_at FROM voices WHERE id = ? AND version > 0"
    return _cached_record(connection.execute(query, (voice_id,)).fetchone())


def select_by_name(connection: sqlite3.Connection, canonical: str) -> CachedRecord | None:
    """The live voice that lists this name; of several the one confirmed last, and of two of those the younger."""
    row = connection.execute(
        """SELECT id, body, etag, checked_at FROM names JOIN voices ON id = voice_id WHERE canonical = ?
        ORDER BY checked_at DESC, id DESC LIMIT 1""",
        (canonical,),
    ).fetchone()
    return _cached_record(row)


def upsert_record(connection: sqlite3.Connection, voice_id: str, versioned: Versioned, checked_at: float) -> None:
    """Take in what the bucket says of a voice, unless what is known is later."""
    record = versioned.record
    body = json.dumps(record.body, ensure_ascii=False)
    row = (voice_id, record.version, record.voice is not None, versioned.etag, checked_at, body)
    if connection.execute(_UPSERT, row).rowcount:
        names = () if record.voice is None else canonical_names(record.voice)
        connection.execute("DELETE FROM names WHERE voice_id = ?", (voice_id,))
        connection.executemany("INSERT INTO names VALUES (?, ?)", [(name, voice_id) for name in names])


def parsed_row(voice_id: str, body: str) -> Record:
    """The record in a row.

    Raises:
        DamagedRow: there is none.
    """
    try:
        return parsed_record(json.loads(body), key=voice_key(voice_id))
    except (ValueError, StorageFailed) as error:
        raise DamagedRow(f"the row of {voice_id} is damaged") from error


def _cached_record(row: tuple[str, str, str, float] | None) -> CachedRecord | None:
    return None if row is None else CachedRecord(parsed_row(row[0], row[1]), row[2], row[3])
