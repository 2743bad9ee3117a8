"""Voices that were looked up a moment ago, at hand without a thread and a query.

Several processes write to one folder, so a voice that is remembered is only as good as the state of the database that
it was read in. SQLite counts the changes that other connections make (`PRAGMA data_version`), in memory that its
processes share: comparing two counts takes some microseconds and reads no file.
https://www.sqlite.org/pragma.html#pragma_data_version
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from chatterbox_api_core.aio import LruCache
from chatterbox_api_core.types import Voice

__all__ = ["UNKNOWN", "RecentVoices", "Unknown"]

_MOST: Final = 1024
_MAX_AGE_S: Final = 1.0
"""How long a voice is remembered. Whether the folder has been moved is asked of the disk, by a thread, as often."""


class Unknown:
    """The type of `UNKNOWN`."""


UNKNOWN: Final = Unknown()
"""The answer for a key that is not remembered; None is a voice that does not exist."""


class RecentVoices:
    """Used on one event loop.

    Args:
        connection: for reading, and used by nothing else: its own changes would not be counted.

    Example:
        state = recent.state()
        voice = await read_from_the_database(key)
        recent.remember(key, voice, state)
    """

    def __init__(self, connection: sqlite3.Connection, *, clock: Callable[[], float] = time.monotonic) -> None:
        connection.execute("PRAGMA busy_timeout = 0")  # an event loop waits for nobody
        self._connection, self._clock = connection, clock
        self._voices = LruCache[str, tuple[Voice | None, int, float]](_MOST)

    def state(self) -> int | None:
        """What the database's changes have been counted to; None where that cannot be told now."""
        try:
            count: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return None
        return count

    def get(self, key: str) -> Voice | Unknown | None:
        """The voice, or None where there was none; UNKNOWN where it has to be looked up."""
        remembered = self._voices.get(key)
        if remembered is None:
            return UNKNOWN
        voice, state, read_at = remembered
        return voice if self._clock() - read_at < _MAX_AGE_S and state == self.state() else UNKNOWN

    def remember(self, key: str, voice: Voice | None, state: int | None) -> None:
        """Keep what has been read.

        Args:
            state: what `state` returned before the voice was read, so that a change meanwhile is noticed.
        """
        if state is not None:
            self._voices[key] = voice, state, self._clock()

    def close(self) -> None:
        """Close the connection. What is asked later is unknown."""
        self._connection.close()
