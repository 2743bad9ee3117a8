"""An opened voice folder: its clips, its database connections, and the threads that use them."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeVar

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_storage_local.database import check_sound, open_for_reading, open_for_writing
from chatterbox_api_storage_local.errors import FIELD, refuses_writes
from chatterbox_api_storage_local.files import ClipFolder, FileOperations
from chatterbox_api_storage_local.recent_voices import RecentVoices

__all__ = ["ConnectionPool", "VoiceFolder"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_READERS: Final = 4


class VoiceFolder:
    """A folder of voices, open for reading and, where the system allows it, for writing.

    The constructor opens it and may block.

    Attributes:
        clips: the files of the clips.
        readers: the connections for reading.
        recent: the voices that were looked up a moment ago.
        writer: the one connection for writing; None where the folder is read-only.
        write_refusal: the error that `writer` could not be opened with; meaningful only where `writer` is None.

    Raises:
        ConfigurationError: the folder cannot be used, or its database is damaged or too new.
    """

    def __init__(self, folder: Path, files: FileOperations) -> None:
        folder = folder.absolute()
        self.clips = ClipFolder(folder / "audio", files)
        self.writer: ConnectionPool | None = None
        self.write_refusal: Exception = OSError()
        path = self._database = folder / "voices.db"
        try:
            self._refuse_a_link()
            with ExitStack() as opened:
                writer = self._open_writer(path)
                if writer is not None:
                    opened.callback(writer.close)
                readers = []
                for _ in range(_READERS + 1):
                    readers.append(open_for_reading(path))
                    opened.callback(readers[-1].close)
                check_sound(readers[0], path)
                self._opened = _identity(path)
                opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"The voice folder {folder} cannot be used: {error}.",
                field=FIELD,
                remedy="Choose a folder that the service may read and write.",
            ) from error
        self.recent = RecentVoices(readers.pop())
        self.readers = ConnectionPool(readers, self.check)
        if writer is not None:
            self.writer = ConnectionPool([writer], self.check)

    def check(self) -> None:
        """Raise OSError if the folder has been moved, removed or replaced.

        SQLite keeps its file open and would go on writing to a file that no path leads to.
        """
        if _identity(self._database) != self._opened:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        if not self.clips.path.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def close(self) -> None:
        """Wait for running work and close all connections.

        The writer is closed last: SQLite then merges its log into the database and removes the log.
        """
        self.recent.close()
        self.readers.close()
        if self.writer is not None:
            self.writer.close()

    def _open_writer(self, path: Path) -> sqlite3.Connection | None:
        try:
            self.clips.prepare()
            return open_for_writing(path, has_clips=self.clips.any)
        except (OSError, sqlite3.Error) as error:
            if not refuses_writes(error) or not path.exists():
                raise
            _log.warning("the voice folder %s is read-only: %s", path.parent, error)
            self.write_refusal = error
            return None

    def _refuse_a_link(self) -> None:
        if self.clips.path.is_symlink():
            raise ConfigurationError(
                f"{self.clips.path} is a link; the folder of the clips must not be one.",
                field=FIELD,
                remedy="Choose the folder that the link points to, or mount that folder here.",
            )


class ConnectionPool:
    """Runs functions in threads. Each function has a thread and a database connection to itself.

    Args:
        connections: as many threads are started as there are connections.
        check: called before each function; what it raises fails the function.
    """

    def __init__(self, connections: list[sqlite3.Connection], check: Callable[[], None]) -> None:
        self._check = check
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._connections = connections
        for connection in connections:
            self._idle.put(connection)
        self._threads = ThreadPoolExecutor(len(connections), thread_name_prefix="voices")

    def submit(self, work: Callable[[sqlite3.Connection], _T]) -> Future[_T]:
        """Queue a function; the future has its result, or the exception that it raised."""
        return self._threads.submit(self._run, work)

    def close(self) -> None:
        """Wait for the functions that run, cancel those that are queued, and close the connections."""
        self._threads.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = self._idle.get()
        try:
            self._check()
            return work(connection)
        finally:
            self._idle.put(connection)


def _identity(path: Path) -> tuple[int, int]:
    """The device and the inode of a file, which stay the same when the file is renamed."""
    status = path.stat()
    return status.st_dev, status.st_ino
