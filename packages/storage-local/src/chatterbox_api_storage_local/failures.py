"""What goes wrong on a disk and in SQLite, as the errors of the port: the one table of this package."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, StorageFailed, Unavailable

__all__ = ["FIELD", "failure", "refuses_writes"]

FIELD: Final = "VOICE_LIBRARY_DIR"

_FULL: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_READ_ONLY: Final = {errno.EROFS, errno.EACCES, errno.EPERM}
_PRIMARY_CODE: Final = 0xFF


def failure(error: Exception, *, writing: bool) -> ChatterboxError:
    """The error of the port for an OSError or an error of SQLite."""
    if writing and _is_full(error):
        return StorageFailed(
            "The disk that keeps the voices is full; nothing has been changed.",
            code="storage_full",
            field=FIELD,
            remedy="Free some space on it, and try again.",
        )
    if writing and _is_read_only(error):
        return StorageFailed(
            "The voices can be read but not changed: their folder is read-only.",
            code="storage_read_only",
            field=FIELD,
            remedy="Let the service write to its folder of voices, and start it again.",
        )
    return Unavailable(
        f"The folder of voices does not answer as it should ({_reason(error)}).",
        code="storage_unavailable",
        field=FIELD,
        remedy="Look at the disk it is on; if the folder has been exchanged, start the service again.",
    )


def refuses_writes(error: Exception) -> bool:
    """Whether reading may still work after this."""
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
    """Without the path that an OSError shows: a client has no business with it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
