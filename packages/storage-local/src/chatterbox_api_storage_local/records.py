"""Voices as rows of the database. The caller puts statements that belong together into one transaction."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.names import canonical_name
from chatterbox_api_core.voices.store_errors import name_taken

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
    """A voice and the name of the file that holds its clip."""

    voice: Voice
    file: str


def get(connection: sqlite3.Connection, voice_id: str) -> Record | None:
    """The voice with this id, or None."""
    return _one(connection, "WHERE id = ?", voice_id)


def find_by_name(connection: sqlite3.Connection, canonical: str) -> Record | None:
    """The voice whose name or alias has this canonical form, or None."""
    return _one(connection, "WHERE id = (SELECT voice_id FROM names WHERE canonical = ?)", canonical)


def find_default(connection: sqlite3.Connection) -> Record | None:
    """The default voice, or None where none is set."""
    return _one(connection, "WHERE id = (SELECT voice_id FROM default_voice)")


def page(connection: sqlite3.Connection, *, after: str, limit: int) -> tuple[Voice, ...]:
    """At most `limit` voices with ids greater than `after`, in the order of their ids."""
    rows = connection.execute(f"{_SELECT} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    return tuple(_record(row).voice for row in rows)


def files(connection: sqlite3.Connection) -> set[str]:
    """The names of all files that a voice refers to."""
    return {row[0] for row in connection.execute("SELECT file FROM voices")}


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Add a voice and claim its names. Raises NameTaken where another voice has one of them."""
    values = _values(record)
    connection.execute(f"INSERT INTO voices ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
    _claim(connection, record.voice)


def update(connection: sqlite3.Connection, record: Record) -> None:
    """Write all fields of a voice and claim its names anew. Raises NameTaken where another voice has one of them."""
    values = _values(record)
    places = ", ".join("?" * len(values))
    connection.execute(
        f"UPDATE voices SET ({_COLUMNS}) = ({places}) WHERE id = ?",  # noqa: S608
        (*values, record.voice.id),
    )
    connection.execute("DELETE FROM names WHERE voice_id = ?", (record.voice.id,))
    _claim(connection, record.voice)


def delete(connection: sqlite3.Connection, voice_id: str) -> None:
    """Remove a voice with its names. Where it is the default, no voice is the default any more."""
    connection.execute("DELETE FROM voices WHERE id = ?", (voice_id,))


def set_default(connection: sqlite3.Connection, voice_id: str | None) -> None:
    """Make a voice the default; None leaves no default."""
    connection.execute("DELETE FROM default_voice")
    if voice_id is not None:
        connection.execute("INSERT INTO default_voice (only, voice_id) VALUES (1, ?)", (voice_id,))


def check_free(connection: sqlite3.Connection, voice: Voice) -> None:
    """Raise NameTaken if another voice has one of the names now, before a clip is written for nothing.

    The names are not claimed yet: `insert` and `update` may still raise NameTaken.
    """
    for name in (voice.name, *voice.aliases):
        holder = connection.execute(
            "SELECT voice_id FROM names WHERE canonical = ?", (canonical_name(name),)
        ).fetchone()
        if holder is not None and holder[0] != voice.id:
            raise name_taken(name, wanted_by=voice)


def _claim(connection: sqlite3.Connection, voice: Voice) -> None:
    for position, name in enumerate((voice.name, *voice.aliases)):
        try:
            connection.execute(
                "INSERT INTO names (canonical, spelling, voice_id, position) VALUES (?, ?, ?, ?)",
                (canonical_name(name), name, voice.id, position),
            )
        except sqlite3.IntegrityError as error:
            raise name_taken(name, wanted_by=voice) from error


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
