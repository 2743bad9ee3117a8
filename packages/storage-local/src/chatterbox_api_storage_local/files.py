"""The files of the clips: one for each voice and version. A file is complete and on the disk before a row names it.

The name of a file consists of ids that the store makes. A name is never used twice, and the content of a file never
changes. A file that is being written ends in `.part`. The sweep removes what a crash leaves, once it is old.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chatterbox_api_core.formats import CLIP_EXTENSIONS

__all__ = ["ClipFolder", "FileOperations"]

_log = logging.getLogger(__name__)

_PART: Final = ".part"
_CLIP = re.compile(r"voice_[0-9a-z]{26}-[0-9a-f]{16}\.[a-z0-9]{1,8}")
_OURS = re.compile(rf"({_CLIP.pattern}|probe-[0-9a-f]{{16}})({re.escape(_PART)})?")
# Some of these do not exist on every system. NONBLOCK keeps a named pipe from holding a thread.
_READ: Final = os.O_RDONLY | sum(getattr(os, f"O_{name}", 0) for name in ("NOFOLLOW", "NONBLOCK", "BINARY"))
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_NO_FILE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO})


class FileOperations:
    """The system calls that write. Tests replace them to inject faults. Every call may block and raise OSError."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist yet, and return its descriptor."""
        return os.open(path, _CREATE, 0o600)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all bytes, in as many calls as the system needs."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def fsync(self, descriptor: int) -> None:
        """Return once the content of a file is on the disk."""
        os.fsync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Rename a file atomically, over any file of the new name."""
        old.rename(new)

    def fsync_folder(self, path: Path) -> None:
        """Return once creations, renames and removals in a folder are on the disk. Does nothing on Windows."""
        if os.name == "nt":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()


class ClipFolder:
    """The folder of the clips. Every method may block and raise OSError."""

    def __init__(self, path: Path, files: FileOperations) -> None:
        self.path = path
        self._files = files

    def prepare(self) -> None:
        """Create the folder where it is missing, and raise OSError where no file can be created in it."""
        self._make(self.path)
        probe = self.path / f"probe-{secrets.token_hex(8)}{_PART}"
        os.close(self._files.create(probe))
        self.discard(probe.name)

    def put(self, voice_id: str, media_type: str, data: bytes) -> str:
        """Write a clip and return the name of its file once it is on the disk. A failed write leaves no file.

        Args:
            voice_id: begins the name of the file.
            media_type: decides the extension.
        """
        name = f"{voice_id}-{secrets.token_hex(8)}{CLIP_EXTENSIONS.get(media_type, '.audio')}"
        part = self.path / f"{name}{_PART}"
        try:
            descriptor = self._files.create(part)
            try:
                self._files.write(descriptor, data)
                self._files.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._files.rename(part, self.path / name)
            self._files.fsync_folder(self.path)
        except BaseException:
            self.discard(part.name)
            self.discard(name)
            raise
        return name

    def read(self, name: str, *, size_bytes: int) -> bytes | None:
        """The content of a file; None where the folder has no regular file of this name and size."""
        if not _CLIP.fullmatch(name):
            return None
        try:
            descriptor = os.open(self.path / name, _READ)
        except OSError as error:
            if error.errno in _NO_FILE:
                return None
            raise
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size != size_bytes:
                return None
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(size_bytes)
        finally:
            os.close(descriptor)

    def check(self, name: str) -> None:
        """Raise FileNotFoundError if a file is missing."""
        (self.path / name).lstat()

    def discard(self, name: str) -> None:
        """Remove a file that no row names any more. A failure is logged and left to the sweep."""
        if not _OURS.fullmatch(name):
            return
        try:
            self._files.unlink(self.path / name)
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.warning("%s cannot be removed: %s", name, error)

    def any(self) -> bool:
        """Whether the folder contains a clip."""
        return any(_CLIP.fullmatch(name) for name, _ in self._aged())

    def older_than(self, age_s: float) -> list[str]:
        """The names of the files of this store that were last written more than `age_s` seconds ago."""
        return [name for name, written_s in self._aged() if time.time() - written_s > age_s]

    def _aged(self) -> Iterator[tuple[str, float]]:
        with os.scandir(self.path) as entries:
            for entry in entries:
                if _OURS.fullmatch(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        yield entry.name, entry.stat(follow_symlinks=False).st_mtime

    def _make(self, path: Path) -> None:
        if path.is_dir():
            return
        if path != path.parent:
            self._make(path.parent)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        self._files.fsync_folder(path.parent)
