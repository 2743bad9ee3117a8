"""An opened folder of voices: its clips, its connections, and the threads that use them."""

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
from chatterbox_api_storage_local.failures import FIELD, refuses_writes
from chatterbox_api_storage_local.files import ClipFolder, FileOperations

__all__ = ["Library", "Workers"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_READERS: Final = 4


class Library:
    """Opens with the constructor, which may block. Raises ConfigurationError.

    Attributes:
        writer: None where the folder can only be read.
        refusal: why that is.
    """

    def __init__(self, folder: Path, files: FileOperations) -> None:
        folder = folder.absolute()
        self.clips = ClipFolder(folder / "audio", files)
        self.writer: Workers | None = None
        self.refusal: Exception = OSError()
        path = self._database = folder / "voices.db"
        try:
            self._refuse_a_link()
            with ExitStack() as opened:
                writer = self._open_writer(path)
                if writer is not None:
                    opened.callback(writer.close)
                readers = []
                for _ in range(_READERS):
                    readers.append(open_for_reading(path))
                    opened.callback(readers[-1].close)
                check_sound(readers[0], path)
                self._opened = _identity(path)
                opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"The folder of voices {folder} cannot be used: {error}.",
                field=FIELD,
                remedy="Choose a folder that the service may read and write.",
            ) from error
        self.readers = Workers(readers, self.check)
        if writer is not None:
            self.writer = Workers([writer], self.check)

    def check(self) -> None:
        """Raise OSError if the folder is not there any more: SQLite would write on to what nobody finds again."""
        if _identity(self._database) != self._opened:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        if not self.clips.path.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def close(self) -> None:
        """Let what runs come to its end. The writer goes last: then its log is brought in and removed."""
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
            _log.warning("the folder of voices %s can only be read: %s", path.parent, error)
            self.refusal = error
            return None

    def _refuse_a_link(self) -> None:
        if self.clips.path.is_symlink():
            raise ConfigurationError(
                f"{self.clips.path} is a link; the clips have to be in the folder itself.",
                field=FIELD,
                remedy="Choose the folder that it leads to, or mount that there.",
            )


class Workers:
    """As many threads as there are connections; each piece of work has one of each to itself.

    Args:
        check: is called before each piece of work, and may raise.
    """

    def __init__(self, connections: list[sqlite3.Connection], check: Callable[[], None]) -> None:
        self._check = check
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._connections = connections
        for connection in connections:
            self._idle.put(connection)
        self._threads = ThreadPoolExecutor(len(connections), thread_name_prefix="voices")

    def submit(self, work: Callable[[sqlite3.Connection], _T]) -> Future[_T]:
        return self._threads.submit(self._run, work)

    def close(self) -> None:
        """Wait for the work that has been begun, and drop the rest."""
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
    """Which file this is, whatever it is called."""
    status = path.stat()
    return status.st_dev, status.st_ino
