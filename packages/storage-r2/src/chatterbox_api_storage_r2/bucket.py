"""What the protocol needs of an S3 bucket, and the three answers that a write can get.

The protocol is written against this port, so that the model in the tests can stand in for a bucket and take every
request apart from the next. `ObstoreBucket` is the real one. The words are those of S3: PutObject with `If-None-Match`
or `If-Match`, GetObject with `If-None-Match`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from chatterbox_api_core.errors import Unavailable

if TYPE_CHECKING:
    from chatterbox_api_storage_r2.circuit_breaker import CircuitBreaker

__all__ = ["Bucket", "NotModified", "ObjectSummary", "OutcomeUnknown", "PreconditionFailed", "StoredObject"]


class PreconditionFailed(Exception):
    """The condition of a write did not hold, so the write was not done.

    Or it was done, and this answers a second delivery of the same request.
    """


class OutcomeUnknown(Exception):
    """No answer says whether a write was done. It may still be done later, if the request is under way.

    Args:
        reason: what went wrong, for people, without a secret in it.
        retry_after_s: how long to wait before another attempt, in seconds.
        error: the same as an error of the port, for a caller to whom it makes no difference whether it was done.
    """

    def __init__(self, reason: str, *, retry_after_s: float = 1.0, error: Unavailable | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s = reason, retry_after_s
        self.error = error or Unavailable(reason, code="storage_error", retry_after_s=retry_after_s)


class NotModified(Exception):
    """The object still has the ETag that the read named in `if_none_match`."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was read.

    Attributes:
        data: the whole object.
        etag: its version, in the spelling of the server.
        sha256: of the data, in hexadecimal, where the reader has computed it; else empty.
    """

    data: bytes = field(repr=False)
    etag: str
    sha256: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """An object as a list shows it.

    Attributes:
        key: relative to the library's prefix.
        etag: its version; empty where the server does not tell it.
        size_bytes: of the data.
        modified_at: when it was written, by the server's clock.
    """

    key: str
    etag: str
    size_bytes: int
    modified_at: datetime


class Bucket(Protocol):
    """A bucket that is strongly consistent, as R2 is. Keys are relative to the library's prefix.

    Every call ends within a time limit of its own. Reads are retried within it, and then raise Unavailable with the
    cause. Writes are tried once, because what a second attempt answers depends on the first. Unavailable or
    StorageFailed from a write says that it was refused and not done.
    """

    @property
    def breaker(self) -> CircuitBreaker:
        """Whether the bucket is available. Nothing else in this package answers that question."""

    async def get(self, key: str, *, if_none_match: str | None = None) -> StoredObject | None:
        """Read an object; None where there is none.

        Raises:
            NotModified: the object's ETag is `if_none_match`.
            Unavailable: the bucket did not answer, or refused.
        """

    async def put_if_absent(self, key: str, data: bytes) -> str:
        """Write an object where there is none yet; its ETag.

        Raises:
            PreconditionFailed: there is one.
            OutcomeUnknown: the write may be done or not.
            Unavailable, StorageFailed: the write was refused, and is not done.
        """

    async def put_if_match(self, key: str, data: bytes, *, etag: str) -> str:
        """Write over the version that has this ETag; the new ETag.

        Raises:
            PreconditionFailed: the object has another ETag, or there is none.
            OutcomeUnknown: the write may be done or not.
            Unavailable, StorageFailed: the write was refused, and is not done.
        """

    async def delete(self, key: str) -> None:
        """Remove an object, which need not be there. S3 has no condition for this.

        Raises:
            OutcomeUnknown: the object may be removed or not.
            Unavailable: the removal was refused.
        """

    def list(self, prefix: str) -> AsyncGenerator[tuple[ObjectSummary, ...], None]:
        """The objects whose keys begin with `prefix`, page by page, in order of key.

        Raises:
            Unavailable: the bucket did not answer, or refused.
        """

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        """Wait a random while before another attempt, the longer the more there were; `attempt` counts from 0."""
