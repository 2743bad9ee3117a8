"""Brings the whole mirror up to date: by one list of the bucket, and the documents that have changed since the last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import Bucket
from chatterbox_api_storage_r2.errors import TOO_NEW
from chatterbox_api_storage_r2.layout import VOICES, Versioned, voice_id_of
from chatterbox_api_storage_r2.library_identity import LibraryIdentity
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary

__all__ = ["MirrorSync"]

_log = logging.getLogger(__name__)

_CONCURRENT_READS: Final = 32
_BATCH: Final = 64
"""How many documents are written to the mirror in one transaction."""


class MirrorSync:
    """Lists the bucket into the mirror; one run at a time.

    Args:
        bucket, library: are read.
        identity: tells whether a missing document is a missing voice, or the bucket holds another library.
        mirror: is brought up to date.
        clock: seconds of the wall clock.

    Attributes:
        voices_read: how many voices this run, or the last one, has brought up to date.
        failed: whether the last run could not be brought to its end.
    """

    def __init__(
        self,
        bucket: Bucket,
        library: BucketLibrary,
        identity: LibraryIdentity,
        mirror: Mirror,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._bucket, self._library, self._identity, self._mirror = bucket, library, identity, mirror
        self._clock = clock
        self._damaged: dict[str, str] = {}
        """The ETag of each document that could not be read, by voice id: it is not read again while it is the same."""
        self.voices_read = 0
        self.failed = False

    async def run(self) -> None:
        """Bring the mirror up to date. Where that fails, what has been read by then is kept.

        A voice is forgotten if it was known before the list began, is not in the list, and has no document when that
        is read by its key. So a voice that is added meanwhile is not forgotten, by this process or another, nor is
        any voice because of a list that falls short. And where voices are missing because the bucket holds another
        library, nothing of that library is taken in.

        Raises:
            Unavailable: the bucket failed, or holds another library (`storage_bucket_changed`).
        """
        began_at, self.voices_read, self.failed = self._clock(), 0, True
        known = await self._mirror.etags()
        listed: dict[str, str] = {}
        pages = self._bucket.list(VOICES)
        try:
            while (page := await self._bucket.breaker.observe(anext(pages, None))) is not None:
                listed |= {voice_id: each.etag for each in page if (voice_id := voice_id_of(each.key)) is not None}
        finally:
            await pages.aclose()
        self._damaged = {voice_id: etag for voice_id, etag in self._damaged.items() if voice_id in listed}
        # Missing voices come first, for they show whether the bucket holds another library.
        await self._check_missing({voice_id: etag for voice_id, etag in known.items() if voice_id not in listed})
        await self._take_in(listed, known, began_at)
        await self._mirror.keep_listed_at(began_at)
        self.failed = False

    async def _take_in(self, etags: Mapping[str, str], known: Mapping[str, str], began_at: float) -> None:
        same = {voice_id: etag for voice_id, etag in etags.items() if known.get(voice_id) == etag}
        await self._mirror.touch(same, checked_at=began_at)
        self.voices_read += len(same)
        await self._read(
            {
                voice_id: etag
                for voice_id, etag in etags.items()
                if voice_id not in same and self._damaged.get(voice_id) != etag
            }
        )

    async def _check_missing(self, missing: Mapping[str, str]) -> None:
        asked_at = self._clock()
        gone = await self._read(missing)
        if gone:
            await self._identity.confirm()
            await self._mirror.forget({voice_id: missing[voice_id] for voice_id in gone}, at=asked_at)

    async def _read(self, etags: Mapping[str, str]) -> list[str]:
        """Read the documents of these voices into the mirror; returns the voices that have none."""
        left, gone = iter(etags.items()), list[str]()

        async def read_on() -> None:
            read: list[tuple[str, Versioned, float]] = []
            try:
                for voice_id, etag in left:
                    asked_at = self._clock()
                    try:
                        versioned = await self._bucket.breaker.observe(self._library.read(voice_id))
                    except (StorageFailed, Unavailable) as error:
                        self._leave_out(voice_id, etag, error)
                        continue
                    if versioned is None:
                        gone.append(voice_id)
                    else:
                        read.append((voice_id, versioned, asked_at))
                        self.voices_read += 1
                    if len(read) == _BATCH:
                        await self._mirror.keep_many(read)
                        read.clear()
            finally:
                if read:
                    await self._mirror.keep_many(read)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_CONCURRENT_READS, len(etags))):
                    group.create_task(read_on())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return gone

    def _leave_out(self, voice_id: str, etag: str, error: ChatterboxError) -> None:
        """Go on without a document that cannot be read, and log it once; raise an error that is not about it alone."""
        if isinstance(error, Unavailable) and error.code != TOO_NEW:
            raise error
        _log.warning("a voice is left out of the list: %s", error)
        self._damaged[voice_id] = etag
