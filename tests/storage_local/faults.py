"""File operations that fail when told to, and a small disk."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatterbox_api_storage_local.files import FileOperations

__all__ = ["FaultyFiles", "small_disk"]


class FaultyFiles(FileOperations):
    """Counts operations, and fails the one whose turn it is.

    Attributes:
        fail_at: the number of the operation that fails, from 1, or 0 for none; those of `always` fail each time.
        error: the errno it fails with.
    """

    def __init__(self, *, fail_at: int = 0, error: int = errno.EIO, always: str = "") -> None:
        self.count, self.fail_at, self.error, self.always = 0, fail_at, error, always
        self.failed = ""

    def arm(self, *, fail_at: int, error: int) -> None:
        self.count, self.fail_at, self.error = 0, fail_at, error

    def create(self, path: Path) -> int:
        self._turn("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> None:
        super().write(descriptor, data[: len(data) // 2])
        self._turn("write")
        super().write(descriptor, data[len(data) // 2 :])

    def fsync(self, descriptor: int) -> None:
        self._turn("fsync")
        super().fsync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        self._turn("rename")
        super().rename(old, new)

    def fsync_folder(self, path: Path) -> None:
        self._turn("fsync_folder")
        super().fsync_folder(path)

    def unlink(self, path: Path) -> None:
        self._turn("unlink")
        super().unlink(path)

    def _turn(self, operation: str) -> None:
        self.count += 1
        if self.count == self.fail_at or operation == self.always:
            self.failed = operation
            raise OSError(self.error, os.strerror(self.error))


@contextmanager
def small_disk(path: Path, *, size_kib: int) -> Iterator[Path]:
    """A file system of its own for one test; where none can be mounted, the test is skipped."""
    path.mkdir()
    try:
        mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
