"""Bringing the whole mirror up to date: one listing, and the documents that have changed since the last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import Bucket
from chatterbox_api_storage_r2.line import TOO_NEW, Line
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.records import VOICES, Versioned, voice_id_of

__all__ = ["Listing"]

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 32
_BATCH: Final = 64


class Listing:
    """Lists the bucket into the mirror; one run at a time.

    Attributes:
        voices_read: how far the run has come.
        failed: whether the last run could not be brought to its end.
    """

    def __init__(self, bucket: Bucket, line: Line, mirror: Mirror, clock: Callable[[], float]) -> None:
        self._bucket, self._line, self._mirror, self._clock = bucket, line, mirror, clock
        self._damaged: dict[str, str] = {}
        self.voices_read = 0
        self.failed = False

    async def run(self) -> None:
        """Bring the mirror up to date. Unavailable when the bucket is, or holds another library; what has been read
        by then is kept.

        What is forgotten was known before the listing began, does not appear in it, and is not there when it is
        asked for by its key. So neither what has been added meanwhile is forgotten, by this process or another,
        nor anything because of a listing that falls short. And where a voice is missing because the library is
        another, nothing of that is taken in.
        """
        began_at, self.voices_read, self.failed = self._clock(), 0, True
        known = await self._mirror.etags()
        listed: dict[str, str] = {}
        pages = self._bucket.list(VOICES)
        try:
            while (page := await self._line.ask(anext(pages, None))) is not None:
                listed |= {voice_id: each.etag for each in page if (voice_id := voice_id_of(each.key)) is not None}
        finally:
            await pages.aclose()
        self._damaged = {voice_id: etag for voice_id, etag in self._damaged.items() if voice_id in listed}
        # First what is missing, for then it is found out whether these are the voices of another library.
        await self._look_for({voice_id: etag for voice_id, etag in known.items() if voice_id not in listed})
        await self._take(listed, known, began_at)
        await self._mirror.keep_listed_at(began_at)
        self.failed = False

    async def _take(self, etags: Mapping[str, str], known: Mapping[str, str], began_at: float) -> None:
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

    async def _look_for(self, missing: Mapping[str, str]) -> None:
        asked_at = self._clock()
        gone = await self._read(missing)
        if gone:
            await self._line.confirm()
            await self._mirror.forget({voice_id: missing[voice_id] for voice_id in gone}, at=asked_at)

    async def _read(self, etags: Mapping[str, str]) -> list[str]:
        """Read these voices' documents into the mirror, whatever they are now; the voices that have none."""
        left, gone = iter(etags.items()), list[str]()

        async def read_on() -> None:
            read: list[tuple[str, Versioned, float]] = []
            try:
                for voice_id, etag in left:
                    asked_at = self._clock()
                    try:
                        versioned = await self._line.voice(voice_id)
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
                for _ in range(min(_AT_ONCE, len(etags))):
                    group.create_task(read_on())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return gone

    def _leave_out(self, voice_id: str, etag: str, error: ChatterboxError) -> None:
        """Go on without a document that cannot be read, and say so once; raise what is not about it alone."""
        if isinstance(error, Unavailable) and error.code != TOO_NEW:
            raise error
        _log.warning("a voice is left out of the list: %s", error)
        self._damaged[voice_id] = etag
