"""JSON documents in a bucket, written by compare-and-set, each write with a certain outcome.

An ETag depends on the content alone, so every write carries a fresh nonce: the same state written twice is two
versions. The nonce also answers what a lost reply leaves open. Each document remembers the nonces of the writes
before it, so a writer that reads the document back finds its own nonce even when others have written since.
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
from chatterbox_api_storage_r2.bucket import Bucket, OutcomeUnknown, PreconditionFailed, StoredObject
from chatterbox_api_storage_r2.errors import TOO_NEW, damaged_object

__all__ = [
    "GIVE_UP_S",
    "Body",
    "Document",
    "StorageUnsure",
    "WriteConflict",
    "last_unknown_reason",
    "parsed",
    "pause",
    "read",
    "write",
]

SCHEMA: Final = 1
_REMEMBERED: Final = 16
"""How many earlier nonces a document remembers. While one writer does not know its outcome, fewer others write."""

GIVE_UP_S: Final = 5.0
"""For how long a write that fails is attempted again, in seconds; there are two attempts in any case."""
_LONGEST_PAUSE: Final = 4
"""The attempt after which pauses stop growing, so that the last of them ends soon after `GIVE_UP_S`."""

last_unknown_reason: Final[ContextVar[str]] = ContextVar("last_unknown_reason", default="")
"""Why the outcome of the latest write of this task is unknown, for the caller that ends the task at its deadline."""

Body = Mapping[str, Any]
"""What a document says, without its schema and its nonces."""


class StorageUnsure(Unavailable):
    """The outcome of a write cannot be found out.

    Args:
        reason: why, for people.
        error: the same, for a caller to whom it makes no difference whether the write was done.
    """

    def __init__(self, reason: str, *, error: ChatterboxError | None = None) -> None:
        super().__init__(
            f"It is unknown whether this change was made: {reason.rstrip('.')}.",
            code="storage_unsure",
            remedy="Check whether it was, before you try again.",
            retry_after_s=5,
        )
        self.error = error or self


class WriteConflict(Exception):
    """The document is no longer the version that was to be written over, so nothing was written.

    Attributes:
        found: what the document is now; None where there is none.
    """

    def __init__(self, found: Document | None) -> None:
        super().__init__()
        self.found = found


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read or written.

    Attributes:
        body: what it says.
        nonce: of the write that made this version.
        earlier: the nonces of the writes before, the latest first; at most 16.
        etag: of this version; empty where another write is known to have replaced it already.
    """

    body: Body
    nonce: str
    earlier: tuple[str, ...]
    etag: str


async def read(bucket: Bucket, key: str) -> Document | None:
    """The document as it is now; None where there is none.

    Raises:
        Unavailable: the bucket did not answer, or a newer version wrote the document (`storage_too_new`).
        StorageFailed: `storage_damaged`.
    """
    stored = await bucket.get(key)
    return None if stored is None else parsed(stored, key=key)


async def write(bucket: Bucket, key: str, body: Body, *, over: Document | None) -> Document:
    """Write the document over the version `over`, or as a new one; goes on until the outcome is certain.

        document = await read(bucket, DEFAULT)
        document = await write(bucket, DEFAULT, {"voice": voice_id}, over=document)

    The states of a write, and how each attempt moves between them:

        PUT ─┬─ 200 ───────────────────────────────────────────────────────> written
             ├─ refused ───── an earlier outcome is unknown? ── no ────────> raise the refusal: not written
             │                                               └─ yes ───────> raise StorageUnsure
             └─ 412, or no answer: the outcome is unknown
                  │
                  v
             GET ─┬─ fails ── an outcome is unknown? ── no ─────────────────> raise it: not written
                  │                                  └─ yes ────────────────> raise StorageUnsure
                  ├─ our nonce is in it ────────────────────────────────────> written
                  ├─ another version than `over` ───────────────────────────> raise WriteConflict: not written
                  └─ still `over` ── time left? ── yes ── pause ── PUT again
                                                └─ no ──────────────────────> raise Unavailable or StorageUnsure

    Raises:
        WriteConflict: another version is there; nothing was written.
        StorageUnsure: the write may be done or not.
        Unavailable, StorageFailed: the write was refused, or could not be attempted; nothing was written.
    """
    nonce = secrets.token_hex(8)
    earlier = () if over is None else (over.nonce, *over.earlier)[:_REMEMBERED]
    data = json.dumps({"schema": SCHEMA, "nonce": nonce, "earlier": earlier, **body}, ensure_ascii=False).encode()
    # Of any attempt so far, not the latest alone: a request may be done long after its sender gave it up.
    unknown: OutcomeUnknown | None = None
    began_at = time.monotonic()
    for attempt in count():
        pause_s = 0.0
        try:
            if over is None:
                etag = await bucket.put_if_absent(key, data)
            else:
                etag = await bucket.put_if_match(key, data, etag=over.etag)
            return Document(body, nonce, earlier, etag)
        except PreconditionFailed:
            pass  # it may answer the second delivery of a request that was done, so only reading tells
        except OutcomeUnknown as error:
            unknown, pause_s = error, error.retry_after_s
            last_unknown_reason.set(unknown.reason)
        except ChatterboxError as error:
            # This attempt was refused, which says nothing about those before it.
            if unknown is None:
                raise
            raise StorageUnsure(unknown.reason, error=error) from error
        try:
            found = await read(bucket, key)
        except Unavailable as error:
            if unknown is None:
                raise
            raise StorageUnsure(error.message, error=error) from error
        if found is not None and nonce in (found.nonce, *found.earlier):
            # Written. Where others have written since, the ETag of this version is of no use any more.
            return Document(body, nonce, earlier, found.etag if found.nonce == nonce else "")
        if _version(found) != _version(over):
            # A late request for this write cannot be done any more either: its condition holds no longer.
            raise WriteConflict(found)
        if attempt and time.monotonic() - began_at > GIVE_UP_S:
            raise _contradiction(key) if unknown is None else StorageUnsure(unknown.reason, error=unknown.error)
        await pause(bucket, attempt, at_least_s=pause_s)
    raise AssertionError("unreachable")


async def pause(bucket: Bucket, attempt: int, *, at_least_s: float = 0.0) -> None:
    """Wait before another attempt at a write that has failed; `attempt` counts from 0."""
    await bucket.pause(min(attempt, _LONGEST_PAUSE), at_least_s=at_least_s)


def parsed(stored: StoredObject, *, key: str) -> Document:
    """The document in an object.

    Raises:
        StorageFailed: `storage_damaged`, the object is no document of this package.
        Unavailable: `storage_too_new`, a newer version wrote it.
    """
    try:
        body = json.loads(stored.data)
        schema, nonce, earlier = int(body.pop("schema")), str(body.pop("nonce")), tuple(body.pop("earlier"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged_object(key) from error
    if schema > SCHEMA:
        raise Unavailable(
            f"The object {key} in the bucket was written by a newer version.",
            code=TOO_NEW,
            remedy="Install that version.",
            retry_after_s=60,
        )
    return Document(body, nonce, earlier, stored.etag)


def _contradiction(key: str) -> Unavailable:
    return Unavailable(
        f"The bucket answers to a write that the object {key} has changed, and to a read that it has not.",
        code="storage_error",
        remedy="Check that its server does conditional writes, and shows every write to the next read.",
        retry_after_s=5,
    )


def _version(document: Document | None) -> str | None:
    return None if document is None else document.nonce
