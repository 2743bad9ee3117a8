"""JSON documents in a bucket, written by compare-and-set and certain of their own outcome.

An ETag is made of the content alone, so every write carries a fresh nonce: the same state written twice is two
versions. The nonce also answers what a lost reply leaves open. Each document remembers the nonces of the writes
before it, so a writer that reads it back finds its own even when others have written since.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from chatterbox_api_core.errors import ChatterboxError, Unavailable
from chatterbox_api_storage_r2.bucket import Bucket, Conflict, Doubtful, Stored
from chatterbox_api_storage_r2.failures import damaged_object

__all__ = ["GIVE_UP_S", "Body", "Document", "Lost", "Unsure", "last_doubt", "parsed", "pause", "read", "write"]

SCHEMA: Final = 1
_REMEMBERED: Final = 16
"""Earlier writes whose nonces a document names. More writers than this in one writer's doubt are not expected."""

GIVE_UP_S: Final = 5.0
"""For how long a write that fails is tried again, however often that is; twice in any case."""
_LONGEST_PAUSE: Final = 4
"""The attempt after which pauses grow no more, so that the last of them ends soon after that time."""

last_doubt: Final[ContextVar[str]] = ContextVar("last_doubt", default="")
"""Why the latest write of this task has no certain answer, for whoever ends the task at its deadline."""

Body = Mapping[str, Any]


class Unsure(Unavailable):
    """A write whose outcome cannot be found out.

    Args:
        error: why, for a caller to whom it makes no difference whether the write was done.
    """

    def __init__(self, reason: str, *, error: ChatterboxError | None = None) -> None:
        super().__init__(
            f"It is not known whether this was done: {reason.rstrip('.')}.",
            code="storage_unsure",
            remedy="Look whether it was, before you try again.",
            retry_after_s=5,
        )
        self.error = error or self


class Lost(Exception):
    """The document is no longer the version that was to be written over; `found` is what it is now."""

    def __init__(self, found: Document | None) -> None:
        super().__init__()
        self.found = found


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read or written. With an empty ETag it has been written over since."""

    body: Body
    nonce: str
    earlier: tuple[str, ...]
    etag: str


async def read(bucket: Bucket, key: str) -> Document | None:
    """The document as it is now. Unavailable, StorageFailed `storage_damaged`."""
    stored = await bucket.get(key)
    return None if stored is None else parsed(stored, key=key)


async def write(bucket: Bucket, key: str, body: Body, *, over: Document | None) -> Document:
    """Write the document over the version `over`, or as a new one; goes on until that is certain.

    Raises:
        Lost: another version is there; nothing was written.
        Unavailable: refused, or the bucket cannot be read any more. Then the write may be done or not.
    """
    nonce = secrets.token_hex(8)
    earlier = () if over is None else (over.nonce, *over.earlier)[:_REMEMBERED]
    data = json.dumps({"schema": SCHEMA, "nonce": nonce, "earlier": earlier, **body}, ensure_ascii=False).encode()
    doubt: Doubtful | None = None  # of any attempt so far: a request may be done long after it was given up
    began_at = time.monotonic()
    for attempt in count():
        pause_s = 0.0
        try:
            etag = await (bucket.create(key, data) if over is None else bucket.swap(key, data, etag=over.etag))
            return Document(body, nonce, earlier, etag)
        except Conflict:
            pass
        except Doubtful as error:
            doubt, pause_s = error, error.retry_after_s
            last_doubt.set(doubt.reason)
        except ChatterboxError as error:  # this attempt was refused, which says nothing of those before
            if doubt is None:
                raise
            raise Unsure(doubt.reason, error=error) from error
        try:
            found = await read(bucket, key)
        except Unavailable as error:
            if doubt is None:
                raise
            raise Unsure(error.message, error=error) from error
        if found is not None and nonce in (found.nonce, *found.earlier):
            return Document(body, nonce, earlier, found.etag if found.nonce == nonce else "")
        if _version(found) != _version(over):
            raise Lost(found)
        if attempt and time.monotonic() - began_at > GIVE_UP_S:
            raise _never_true(key) if doubt is None else Unsure(doubt.reason, error=doubt.error)
        await pause(bucket, attempt, at_least_s=pause_s)
    raise AssertionError("unreachable")


async def pause(bucket: Bucket, attempt: int, *, at_least_s: float = 0.0) -> None:
    """Wait before another attempt at a write that has failed."""
    await bucket.pause(min(attempt, _LONGEST_PAUSE), at_least_s=at_least_s)


def parsed(stored: Stored, *, key: str) -> Document:
    """The document in an object. StorageFailed `storage_damaged`, Unavailable `storage_too_new`."""
    try:
        body = json.loads(stored.data)
        schema, nonce, earlier = int(body.pop("schema")), str(body.pop("nonce")), tuple(body.pop("earlier"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged_object(key) from error
    if schema > SCHEMA:
        raise Unavailable(
            f"The object {key} in the bucket was written by a newer version.",
            code="storage_too_new",
            remedy="Install that version.",
            retry_after_s=60,
        )
    return Document(body, nonce, earlier, stored.etag)


def _never_true(key: str) -> Unavailable:
    return Unavailable(
        f"The bucket answers that the object {key} has changed, and reads that it has not.",
        code="storage_error",
        remedy="Check that its server does conditional writes, and shows every write to the next reader.",
        retry_after_s=5,
    )


def _version(document: Document | None) -> str | None:
    return None if document is None else document.nonce
