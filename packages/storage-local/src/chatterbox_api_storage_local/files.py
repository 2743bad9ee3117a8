"""The clips: one file per voice and version in one folder, whole and on the disk before anything names it.

The name of a file is made of our own ids alone, is never used twice, and its content never changes. A file that is
being written ends in `.part`; whatever a crash leaves behind is swept once it is old.
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
    """What is done to files in order to write; tests put faults in its place."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist yet, and return its descriptor."""
        return os.open(path, _CREATE, 0o600)

    def write(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def fsync_folder(self, path: Path) -> None:
        """Make what has been created, renamed and removed in a folder lasting, where a system can."""
        if os.name == "nt":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def unlink(self, path: Path) -> None:
        path.unlink()


class ClipFolder:
    """The folder of the clips. Every call may block; raises OSError."""

    def __init__(self, path: Path, files: FileOperations) -> None:
        self.path = path
        self._files = files

    def prepare(self) -> None:
        """Create the folder where it is missing. Raises OSError where nothing can be written."""
        self._make(self.path)
        probe = self.path / f"probe-{secrets.token_hex(8)}{_PART}"
        os.close(self._files.create(probe))
        self.discard(probe.name)

    def put(self, voice_id: str, media_type: str, data: bytes) -> str:
        """Write a clip and return the name of its file once it lasts; on a failure nothing of it is left."""
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
        """The content of a file; None where there is no plain file of this name and size in the folder."""
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
        """Raise FileNotFoundError if a file is gone."""
        (self.path / name).lstat()

    def discard(self, name: str) -> None:
        """Remove a file that nothing names any more; what cannot be removed is left to the sweep."""
        if not _OURS.fullmatch(name):
            return
        try:
            self._files.unlink(self.path / name)
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.warning("%s cannot be removed now: %s", name, error)

    def any(self) -> bool:
        """Whether there is any clip."""
        return any(_CLIP.fullmatch(name) for name, _ in self._aged())

    def older_than(self, age_s: float) -> list[str]:
        """The files of ours that were last written longer ago than this."""
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
