"""Voices as rows of the database. Statements that belong together are put into one transaction by the caller."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chatterbox_api_core.errors import NameTaken
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.names import canonical_name

__all__ = [
    "Record",
    "check_free",
    "delete",
    "files",
    "find_by_name",
    "find_default",
    "get",
    "insert",
    "page",
    "set_default",
    "update",
]

_COLUMNS: Final = (
    "id, file, sha256, size_bytes, duration_s, media_type, filename, "
    "language, consent, created_at, updated_at, revision"
)
_SELECT: Final = f"""
    SELECT {_COLUMNS}, (
        SELECT json_group_array(spelling)
        FROM (SELECT spelling FROM names WHERE voice_id = voices.id ORDER BY position)
    )
    FROM voices
"""  # noqa: S608 — nothing but the constants above


@dataclass(frozen=True, slots=True)
class Record:
    """A voice, and the name of the file that holds its clip."""

    voice: Voice
    file: str


def get(connection: sqlite3.Connection, voice_id: str) -> Record | None:
    return _one(connection, "WHERE id = ?", voice_id)


def find_by_name(connection: sqlite3.Connection, canonical: str) -> Record | None:
    return _one(connection, "WHERE id = (SELECT voice_id FROM names WHERE canonical = ?)", canonical)


def find_default(connection: sqlite3.Connection) -> Record | None:
    return _one(connection, "WHERE id = (SELECT voice_id FROM default_voice)")


def page(connection: sqlite3.Connection, *, after: str, limit: int) -> tuple[Voice, ...]:
    rows = connection.execute(f"{_SELECT} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    return tuple(_record(row).voice for row in rows)


def files(connection: sqlite3.Connection) -> set[str]:
    """Every file that a voice names."""
    return {row[0] for row in connection.execute("SELECT file FROM voices")}


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Raises NameTaken."""
    values = _values(record)
    connection.execute(f"INSERT INTO voices ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
    _claim(connection, record.voice)


def update(connection: sqlite3.Connection, record: Record) -> None:
    """Raises NameTaken."""
    values = _values(record)
    places = ", ".join("?" * len(values))
    connection.execute(
        f"UPDATE voices SET ({_COLUMNS}) = ({places}) WHERE id = ?",  # noqa: S608
        (*values, record.voice.id),
    )
    connection.execute("DELETE FROM names WHERE voice_id = ?", (record.voice.id,))
    _claim(connection, record.voice)


def delete(connection: sqlite3.Connection, voice_id: str) -> None:
    """Its names and its place as the default go with it."""
    connection.execute("DELETE FROM voices WHERE id = ?", (voice_id,))


def set_default(connection: sqlite3.Connection, voice_id: str | None) -> None:
    connection.execute("DELETE FROM default_voice")
    if voice_id is not None:
        connection.execute("INSERT INTO default_voice (only, voice_id) VALUES (1, ?)", (voice_id,))


def check_free(connection: sqlite3.Connection, voice: Voice) -> None:
    """Raise NameTaken if another voice has one of the names now; `insert` and `update` have the last word."""
    for name in (voice.name, *voice.aliases):
        holder = connection.execute(
            "SELECT voice_id FROM names WHERE canonical = ?", (canonical_name(name),)
        ).fetchone()
        if holder is not None and holder[0] != voice.id:
            raise _taken(name, voice)


def _claim(connection: sqlite3.Connection, voice: Voice) -> None:
    for position, name in enumerate((voice.name, *voice.aliases)):
        try:
            connection.execute(
                "INSERT INTO names (canonical, spelling, voice_id, position) VALUES (?, ?, ?, ?)",
                (canonical_name(name), name, voice.id, position),
            )
        except sqlite3.IntegrityError as error:
            raise _taken(name, voice) from error


def _one(connection: sqlite3.Connection, where: str, *values: str) -> Record | None:
    row = connection.execute(f"{_SELECT} {where}", values).fetchone()
    return None if row is None else _record(row)


def _values(record: Record) -> tuple[object, ...]:
    voice = record.voice
    return (
        *(voice.id, record.file, voice.sha256, voice.size_bytes, voice.duration_s, voice.media_type, voice.filename),
        *(voice.language, voice.consent, voice.created_at.isoformat(), voice.updated_at.isoformat(), voice.revision),
    )


def _record(row: tuple[Any, ...]) -> Record:
    (voice_id, file, sha256, size_bytes, duration_s, media_type, filename) = row[:7]
    (language, consent, created_at, updated_at, revision, spellings) = row[7:]
    name, *aliases = json.loads(spellings)
    voice = Voice(
        id=voice_id,
        name=name,
        aliases=tuple(aliases),
        sha256=sha256,
        size_bytes=size_bytes,
        duration_s=duration_s,
        media_type=media_type,
        filename=filename,
        language=language,
        created_at=datetime.fromisoformat(created_at),
        updated_at=datetime.fromisoformat(updated_at),
        revision=revision,
        consent=consent,
    )
    return Record(voice, file)


def _taken(name: str, voice: Voice) -> NameTaken:
    field = "name" if canonical_name(name) == canonical_name(voice.name) else "alias"
    return NameTaken(f"Another voice answers to {name!r}.", field=field)
