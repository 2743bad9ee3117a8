"""Bytes that are made and not yet read: in memory within a budget that all requests share, in a temporary file beyond.

An engine's slot is worth more than memory, and memory more than disk. So what an encoder has made never waits for its
reader: it is written here, however slowly it is read.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from io import BytesIO
from typing import BinaryIO, Final, Literal, TypeAlias, cast

from chatterbox_api_core.errors import ChatterboxError, InvalidInput, Overloaded, Unavailable

__all__ = ["Place", "Spool", "SpoolBudget"]

_log = logging.getLogger(__name__)

Place: TypeAlias = Literal["memory", "disk"]

_RETRY_AFTER_S: Final = 10.0


class SpoolBudget:
    """What all spools of a service may hold together. Thread-safe.

    Args:
        memory_bytes: in memory, by all spools.
        spool_memory_bytes: in memory, by one spool.
        disk_bytes: in temporary files, by all spools.
        directory: of the temporary files; None for the system's.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = 64 * 2**20,
        spool_memory_bytes: int = 4 * 2**20,
        disk_bytes: int = 2 * 2**30,
        directory: str | None = None,
    ) -> None:
        self.spool_memory_bytes, self.directory = spool_memory_bytes, directory
        self._free: dict[Place, int] = {"memory": memory_bytes, "disk": disk_bytes}
        self._lock = threading.Lock()

    def take(self, place: Place, size_bytes: int) -> bool:
        """Reserve bytes; False, and nothing is reserved, where there is no room for them."""
        with self._lock:
            if size_bytes > self._free[place]:
                return False
            self._free[place] -= size_bytes
            return True

    def give_back(self, place: Place, size_bytes: int) -> None:
        with self._lock:
            self._free[place] += size_bytes

    def free_bytes(self, place: Place) -> int:
        """What may still be reserved."""
        return self._free[place]


class Spool:
    """One request's bytes: an encoder's thread writes them, the event loop reads them. Must be closed.

    To the encoder it is a file that never fails: what goes beyond a limit is dropped, and `check` says so. What has
    been read stays until the spool is closed, since an encoder may go back.

    Args:
        max_bytes: the most it takes.
    """

    def __init__(self, budget: SpoolBudget, *, max_bytes: int) -> None:
        self._budget, self._max_bytes = budget, max_bytes
        self._file: BinaryIO = BytesIO()
        self._place: Place = "memory"
        self._taken_bytes: dict[Place, int] = {"memory": 0, "disk": 0}
        self._lock = threading.Lock()
        self._write_at = self._read_at = self._size_bytes = 0
        self._failure: ChatterboxError | None = None
        self._closed = self._released = False

    @property
    def size_bytes(self) -> int:
        """How much has been written, read or not."""
        return self._size_bytes

    def check(self) -> None:
        """Raise what made the spool drop bytes.

        Raises:
            InvalidInput: `output_too_long`, the request makes more than `max_bytes`.
            Overloaded: the budget of all requests is used up.
            Unavailable: `temporary_files_failed`, the disk does not take them.
        """
        if self._failure is not None:
            raise self._failure

    def write(self, data: bytes | bytearray | memoryview) -> int:
        size = len(data)
        with self._lock:
            if self._failure is None and not self._closed:
                self._write(data, self._write_at + size)
            self._write_at += size
        self._release_if_closed()
        return size

    def seek(self, offset: int, whence: int = 0) -> int:
        with self._lock:
            self._write_at = offset + (0, self._write_at, self._size_bytes)[whence]
            return self._write_at

    def tell(self) -> int:
        return self._write_at

    def seekable(self) -> bool:
        return True

    async def read_next(self, max_bytes: int) -> bytes:
        """The next bytes, at most `max_bytes`; none when all that is written has been read. One task reads."""
        # A disk, and an encoder in the midst of moving to it, take their time.
        if self._place == "disk" or self._lock.locked():
            data = await asyncio.to_thread(self._read, max_bytes)
        else:
            data = self._read(max_bytes)
        self._read_at += len(data)  # not in the thread, whose work is lost where the reader is cancelled
        return data

    def close(self) -> None:
        """Let go of the bytes, and give what they took back to the others. Does not wait; may be called again."""
        self._closed = True
        self._release_if_closed()

    def _release_if_closed(self) -> None:
        """Done by whoever is the last to use the file: an encoder may be in the midst of writing to a slow disk."""
        if self._closed and self._lock.acquire(blocking=False):
            try:
                if not self._released:
                    self._released = True
                    self._file.close()
                    for place, size_bytes in self._taken_bytes.items():
                        self._budget.give_back(place, size_bytes)
            finally:
                self._lock.release()

    def _write(self, data: bytes | bytearray | memoryview, end: int) -> None:
        if end > self._max_bytes:
            self._failure = InvalidInput(
                f"The sound has more than {self._max_bytes:,} bytes.",
                code="output_too_long",
                field="text",
                remedy="Send the text in several requests, or ask for a smaller format.",
            )
            return
        try:
            if not self._has_room(end):
                return
            self._file.seek(self._write_at)
            _write_all(self._file, data)
        except OSError as error:
            _log.error(
                "temporary files cannot be written in %s: %s", self._budget.directory or "the usual place", error
            )
            self._failure = Unavailable(
                "Temporary files cannot be written.", code="temporary_files_failed", retry_after_s=_RETRY_AFTER_S
            )
        else:
            self._size_bytes = max(self._size_bytes, end)

    def _has_room(self, end: int) -> bool:
        """Whether the first `end` bytes may be kept; moves them to disk where memory is used up."""
        if self._place == "memory" and end <= self._budget.spool_memory_bytes and self._take("memory", end):
            return True
        if not self._take("disk", end):
            self._failure = Overloaded(
                "The server keeps too much sound that clients have not read.",
                remedy="Try again a little later.",
                retry_after_s=_RETRY_AFTER_S,
            )
            return False
        if self._place == "memory":
            self._move_to_disk()
        return True

    def _take(self, place: Place, size_bytes: int) -> bool:
        growth_bytes = max(0, size_bytes - self._taken_bytes[place])
        if not self._budget.take(place, growth_bytes):
            return False
        self._taken_bytes[place] += growth_bytes
        return True

    def _move_to_disk(self) -> None:
        memory = cast("BytesIO", self._file)
        # Without a buffer of Python's own: reads and writes take turns at different places.
        self._file = cast("BinaryIO", tempfile.TemporaryFile(buffering=0, dir=self._budget.directory))  # noqa: SIM115
        self._place = "disk"
        _write_all(self._file, memory.getbuffer())
        self._budget.give_back("memory", self._taken_bytes["memory"])
        self._taken_bytes["memory"] = 0

    def _read(self, max_bytes: int) -> bytes:
        try:
            with self._lock:
                if self._closed:
                    return b""
                self._file.seek(self._read_at)
                return self._file.read(max_bytes)
        finally:
            self._release_if_closed()


def _write_all(file: BinaryIO, data: bytes | bytearray | memoryview) -> None:
    """A file without a buffer may take a part only, as of a disk that is nearly full; the next part then raises."""
    view = memoryview(data).cast("B")
    while view:
        view = view[file.write(view) :]
