"""What the protocol needs of an S3 bucket, and the three answers a write can get.

The protocol is written against this, so that the model in the tests can stand in for a bucket and take every
request apart from the next. `ObstoreBucket` is the real one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from chatterbox_api_core.errors import Unavailable

__all__ = ["Bucket", "Conflict", "Doubtful", "Listed", "Stored", "Unchanged"]


class Conflict(Exception):
    """The write's condition did not hold, so it was not done. Or it was, and this answers a second delivery of it."""


class Doubtful(Exception):
    """No answer that says whether the write was done. It may still be done later, if it is on its way.

    Args:
        reason: what went wrong, for people, without a secret in it.
        error: the same as an error of the port, for a caller to whom it makes no difference whether it was done.
    """

    def __init__(self, reason: str, *, retry_after_s: float = 1.0, error: Unavailable | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s = reason, retry_after_s
        self.error = error or Unavailable(reason, code="storage_error", retry_after_s=retry_after_s)


class Unchanged(Exception):
    """The object still has the ETag that was named."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was read.

    Attributes:
        sha256: of the data, where whoever read it has computed that; else empty.
    """

    data: bytes = field(repr=False)
    etag: str
    sha256: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it; `modified_at` is the server's time."""

    key: str
    etag: str
    size_bytes: int
    modified_at: datetime


class Bucket(Protocol):
    """Strongly consistent, as R2 is. Keys are relative to the library's prefix.

    Every call ends within its own time limit. Reads are retried within it, and then raise Unavailable with the
    cause; writes are tried once, because what a second try answers depends on the first. Unavailable or
    StorageFailed from a write says that it was refused and not done.
    """

    async def get(self, key: str, *, unless: str | None = None) -> Stored | None:
        """The object, None where there is none. Unchanged if its ETag is `unless`."""

    async def create(self, key: str, data: bytes) -> str:
        """Write an object that is not there yet; its ETag. Conflict, Doubtful."""

    async def swap(self, key: str, data: bytes, *, etag: str) -> str:
        """Write over the version with this ETag; the new ETag. Conflict, also where there is none; Doubtful."""

    async def delete(self, key: str) -> None:
        """Remove an object; it need not be there. Doubtful."""

    def list(self, prefix: str) -> AsyncGenerator[tuple[Listed, ...], None]:
        """The objects whose keys begin with `prefix`, page by page, in order of key."""

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        """Wait a random while before another attempt, the longer the more there were; `attempt` counts from 0."""
