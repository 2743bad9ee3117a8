"""Whether the server of the bucket does what the protocol needs: lists, conditional writes, and writes at all."""

from __future__ import annotations

import contextlib
from typing import Final

from chatterbox_api_core.errors import StorageFailed
from chatterbox_api_storage_r2.bucket import Bucket, OutcomeUnknown, PreconditionFailed
from chatterbox_api_storage_r2.layout import LIBRARY, SWEEPS

__all__ = ["check_conditions", "check_lists", "check_writes"]

_NO_ETAG: Final = f'"{"0" * 32}"'
_BUSY: Final = "storage_busy"


async def check_lists(bucket: Bucket, prefix: str = SWEEPS) -> bool:
    """Whether the first page of a list has any object. A list of `sweeps/`, the default, is short.

    Raises:
        Unavailable: the bucket cannot be listed.
    """
    pages = bucket.list(prefix)
    try:
        return bool(await anext(pages, ()))
    finally:
        await pages.aclose()


async def check_conditions(bucket: Bucket) -> None:
    """Return if the server refuses a write whose condition does not hold.

    It writes `library.json` under conditions that do not hold; a server that ignores them writes what is there already.

    Raises:
        StorageFailed: `storage_unsafe`, the server ignores a condition; or it refuses every write.
        Unavailable: writes fail.
    """
    stored = await bucket.get(LIBRARY)
    if stored is None:
        return
    for condition in ("If-None-Match", "If-Match"):
        try:
            if condition == "If-None-Match":
                await bucket.put_if_absent(LIBRARY, stored.data)
            else:
                await bucket.put_if_match(LIBRARY, stored.data, etag=_NO_ETAG)
        except PreconditionFailed:
            continue
        except OutcomeUnknown as unknown:
            raise unknown.error from None
        raise StorageFailed(
            f"The bucket's server ignores {condition}: servers that share the bucket would undo each other's changes.",
            code="storage_unsafe",
            field="R2_ENDPOINT",
            remedy="Use a server that does conditional writes, or a newer version of this one.",
        )


async def check_writes(bucket: Bucket) -> None:
    """Return if the server accepts writes, or refuses them only because the key may not write.

    Raises:
        Unavailable, StorageFailed: writes fail.
    """
    stored = await bucket.get(LIBRARY)
    if stored is None:
        return
    with contextlib.suppress(PreconditionFailed):
        try:
            await bucket.put_if_absent(LIBRARY, stored.data)
        except OutcomeUnknown as unknown:
            if unknown.error.code != _BUSY:
                raise unknown.error from None
        except StorageFailed as error:
            if error.code != "storage_read_only":  # with such a key voices speak, and that is what it is for
                raise
