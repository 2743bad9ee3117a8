"""Which library is in the bucket, and whether it is still ours: the one place that knows.

`library.json` has the id of the library, and is written by the server that comes first. It keeps a mirror from being
taken for a copy of another library, and an emptied or exchanged bucket from being taken for one whose voices have all
been removed.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable

from chatterbox_api_core.errors import StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import Bucket
from chatterbox_api_storage_r2.documents import StorageUnsure, WriteConflict, read, write
from chatterbox_api_storage_r2.layout import LIBRARY, SWEEPS, VOICES
from chatterbox_api_storage_r2.server_checks import check_lists
from chatterbox_api_storage_r2.single_flight import SingleFlight, logical_time

__all__ = ["LibraryIdentity", "read_or_create_identity"]

_log = logging.getLogger(__name__)


async def read_or_create_identity(bucket: Bucket, *, lost: StorageFailed | None = None) -> str:
    """The id of the library; a new one where there is none.

    Args:
        bucket: also has to be able to list.
        lost: raised instead of creating a library where no voice is, because there was a library before.

    Raises:
        Unavailable, StorageFailed: the bucket failed, or cannot be listed; then nothing has been written.
    """
    document = await read(bucket, LIBRARY)
    has_voices = await check_lists(bucket, VOICES if document is None else SWEEPS)
    if document is None:
        if lost is not None and not has_voices:
            raise lost
        try:
            document = await write(bucket, LIBRARY, {"library": secrets.token_hex(16)}, over=None)
            _log.info("the bucket held no library; a new one is created: %s", document.body["library"])
        except WriteConflict as conflict:  # another server was first
            document = conflict.found
        except StorageUnsure as unsure:  # the next read finds out whether it was written
            raise unsure.error from unsure
    if document is None or not isinstance(document.body.get("library"), str):
        raise StorageFailed(
            f"The object {LIBRARY} in the bucket is damaged.",
            code="storage_damaged",
            remedy="Remove the object; the library gets a new one at the next start.",
        )
    return str(document.body["library"])


class LibraryIdentity:
    """Whether the bucket still holds our library. Used on one event loop.

        await identity.confirm()          # found so within the last seconds
        await identity.confirm(now=True)  # asked of the bucket after this call began

    Args:
        library_id: of our library.
        confirmed_s: for how long what was found is taken to be so still.
        clock: in seconds.

    Attributes:
        library_id: of our library.
    """

    def __init__(self, bucket: Bucket, *, library_id: str, confirmed_s: float, clock: Callable[[], float]) -> None:
        self.library_id = library_id
        self._bucket, self._confirmed_s, self._clock = bucket, confirmed_s, clock
        self._found: tuple[str | None, float] | None = None
        self._reads: SingleFlight[str | None] = SingleFlight(clock)

    async def confirm(self, *, now: bool = False) -> None:
        """Return if the bucket holds our library. Only then does a missing document mean a missing voice.

        Args:
            now: ask the bucket, however short ago it was asked.

        Raises:
            Unavailable: `storage_bucket_changed`, it holds another library or none; or it does not answer.
        """
        if now or self._found is None or not 0 <= self._clock() - self._found[1] < self._confirmed_s:
            max_age_s = 0.0 if now else self._confirmed_s
            call = self._reads.call(LIBRARY, self._read, since=logical_time(), max_age_s=max_age_s)
            await asyncio.wait([call])
            found = call.result()
        else:
            found = self._found[0]
        if found != self.library_id:
            raise _changed(found)

    async def close(self) -> None:
        """Cancel the read that is under way."""
        await self._reads.close()

    async def _read(self) -> str | None:
        asked_at = self._clock()
        try:
            document = await self._bucket.breaker.observe(read(self._bucket, LIBRARY))
        except StorageFailed:  # a damaged document names no library
            found = None
        else:
            found = None if document is None else str(document.body.get("library"))
        self._found = found, asked_at
        return found


def _changed(found: str | None) -> Unavailable:
    if found is None:
        state = "no library any more: it was emptied, or its library.json was removed or damaged"
        remedy = "Restore that library. The next start says how to create a new one."
    else:
        state, remedy = "another library now", "Restore the former one, or restart the server to use this one."
    return Unavailable(
        f"The bucket holds {state}. Nothing is written to it.",
        code="storage_bucket_changed",
        field="R2_BUCKET_NAME",
        remedy=remedy,
        retry_after_s=30,
    )
