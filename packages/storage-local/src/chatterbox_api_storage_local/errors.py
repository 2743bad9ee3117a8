"""The errors of the disk and of SQLite as errors of core: the one table of this package."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, StorageFailed, Unavailable

__all__ = ["FIELD", "error_from_disk", "map_disk_errors", "refuses_writes"]

FIELD: Final = "VOICE_LIBRARY_DIR"
"""The setting that chooses the folder; errors about the folder name it."""

_FULL: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_READ_ONLY: Final = {errno.EROFS, errno.EACCES, errno.EPERM}
_PRIMARY_CODE: Final = 0xFF


@contextmanager
def map_disk_errors(*, writing: bool) -> Iterator[None]:
    """Raise an OSError or an error of SQLite as the error of core that `error_from_disk` chooses."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise error_from_disk(error, writing=writing) from error


def error_from_disk(error: Exception, *, writing: bool) -> ChatterboxError:
    """The error of core for an OSError or an error of SQLite.

    Args:
        writing: whether a write failed. A full or read-only disk matters to writes alone.

    Returns:
        StorageFailed with the code `storage_full` or `storage_read_only`, else Unavailable.
    """
    if writing and _is_full(error):
        return StorageFailed(
            "The disk that keeps the voices is full; nothing has been changed.",
            code="storage_full",
            field=FIELD,
            remedy="Free some space on the disk and try again.",
        )
    if writing and _is_read_only(error):
        return StorageFailed(
            "The voice folder is read-only: voices can be read but not changed.",
            code="storage_read_only",
            field=FIELD,
            remedy="Let the service write to the voice folder and restart it.",
        )
    return Unavailable(
        f"The voice folder cannot be accessed: {_reason(error)}.",
        code="storage_unavailable",
        field=FIELD,
        remedy="Check the disk that holds the folder. If the folder has been replaced, restart the service.",
    )


def refuses_writes(error: Exception) -> bool:
    """Whether an error on opening the folder for writing leaves reading possible."""
    return _is_full(error) or _is_read_only(error) or _sqlite_code(error) & _PRIMARY_CODE == sqlite3.SQLITE_CANTOPEN


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    code = _sqlite_code(error)
    return code & _PRIMARY_CODE == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE


def _is_read_only(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _READ_ONLY
    code = _sqlite_code(error)
    # DBMOVED says that the file is no longer where it was opened, which is another matter.
    return code != sqlite3.SQLITE_READONLY_DBMOVED and code & _PRIMARY_CODE in (
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
    )


def _sqlite_code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) or 0


def _reason(error: Exception) -> str:
    """The reason without the path that an OSError shows, since a client must not see paths of the server."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.rstrip(".")
