"""Which library is in the bucket, and whether its server does what the protocol needs.

`library.json` says which library it is, and is written by whoever comes first. It keeps a mirror from being taken for
a copy of another library, and an emptied or exchanged bucket from being taken for one whose voices have all been
removed.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from typing import Final

from chatterbox_api_core.errors import StorageFailed
from chatterbox_api_storage_r2.bucket import Bucket, Conflict, Doubtful
from chatterbox_api_storage_r2.documents import Lost, Unsure, read, write
from chatterbox_api_storage_r2.records import LIBRARY, SWEEPS, VOICES

__all__ = ["check_conditions", "check_lists", "check_writes", "library_in"]

_log = logging.getLogger(__name__)

_NO_ETAG: Final = f'"{"0" * 32}"'
_BUSY: Final = "storage_busy"


async def library_in(bucket: Bucket, *, lost: StorageFailed | None = None) -> str:
    """The id of the library; a new one where there is none.

    Args:
        lost: raised instead of beginning a new library where no voice is, because there was a library before.

    Raises:
        Unavailable, StorageFailed: also where the bucket cannot be listed; then nothing has been written.
    """
    document = await read(bucket, LIBRARY)
    has_voices = await check_lists(bucket, VOICES if document is None else SWEEPS)
    if document is None:
        if lost is not None and not has_voices:
            raise lost
        try:
            document = await write(bucket, LIBRARY, {"library": secrets.token_hex(16)}, over=None)
            _log.info("the bucket held no library, a new one is begun there: %s", document.body["library"])
        except Lost as conflict:  # another server was first
            document = conflict.found
        except Unsure as unsure:  # whoever asks next finds out
            raise unsure.error from unsure
    if document is None or not isinstance(document.body.get("library"), str):
        raise StorageFailed(
            f"The object {LIBRARY} in the bucket is damaged.",
            code="storage_damaged",
            remedy="Remove the object; the library gets a new one at the next start.",
        )
    return str(document.body["library"])


async def check_lists(bucket: Bucket, prefix: str = SWEEPS) -> bool:
    """Whether the first page of a list has anything; of sweeps it is a short one. Unavailable."""
    pages = bucket.list(prefix)
    try:
        return bool(await anext(pages, ()))
    finally:
        await pages.aclose()


async def check_conditions(bucket: Bucket) -> None:
    """See to it that the server refuses a write whose condition does not hold. It would write what is there already.

    Raises:
        StorageFailed: `storage_unsafe`, it does not; or it refuses every write.
        Unavailable: writes fail.
    """
    stored = await bucket.get(LIBRARY)
    if stored is None:
        return
    for condition in ("If-None-Match", "If-Match"):
        try:
            if condition == "If-None-Match":
                await bucket.create(LIBRARY, stored.data)
            else:
                await bucket.swap(LIBRARY, stored.data, etag=_NO_ETAG)
        except Conflict:
            continue
        except Doubtful as doubt:
            raise doubt.error from None
        raise StorageFailed(
            f"The bucket's server ignores {condition}: servers that share the bucket would undo each other's changes.",
            code="storage_unsafe",
            field="R2_ENDPOINT",
            remedy="Use a server that does conditional writes, or a newer version of this one.",
        )


async def check_writes(bucket: Bucket) -> None:
    """Return if the server takes writes, or refuses them for a reason of the key's. Unavailable, StorageFailed."""
    stored = await bucket.get(LIBRARY)
    if stored is None:
        return
    with contextlib.suppress(Conflict):
        try:
            await bucket.create(LIBRARY, stored.data)
        except Doubtful as doubt:
            if doubt.error.code != _BUSY:
                raise doubt.error from None
        except StorageFailed as error:
            if error.code != "storage_read_only":  # then voices speak, and that is what such a key is for
                raise
