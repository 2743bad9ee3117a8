"""The line to the bucket: whether it answers at present, and whether it is still the library we know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from chatterbox_api_core.errors import StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import Bucket, Stored, Unchanged
from chatterbox_api_storage_r2.documents import parsed, read
from chatterbox_api_storage_r2.flights import Flights, ticket
from chatterbox_api_storage_r2.records import LIBRARY, Record, Versioned, parsed_record, voice_key

__all__ = ["TOO_NEW", "Line"]

TOO_NEW: Final = "storage_too_new"
"""The code of what `documents` raises for one document that a newer version has written."""

_T = TypeVar("_T")


class Line:
    """Asks the bucket.

    Args:
        away_s: for how long after a request without an answer `is_away` says so, unless another one is answered.
        confirmed_s: for how long the library that was found in the bucket is taken to be there still.

    Attributes:
        answers: how many requests have been answered.
    """

    def __init__(
        self, bucket: Bucket, *, library_id: str, away_s: float, confirmed_s: float, clock: Callable[[], float]
    ) -> None:
        self._bucket, self._library_id, self._clock = bucket, library_id, clock
        self._away_s, self._confirmed_s = away_s, confirmed_s
        self._away_at: float | None = None
        self._found: tuple[str | None, float] | None = None
        self._lookups: Flights[str | None] = Flights(clock)
        self.answers = 0

    @property
    def is_away(self) -> bool:
        return self._away_at is not None and 0 <= self._clock() - self._away_at < self._away_s

    def gave_no_answer(self) -> None:
        self._away_at = self._clock()

    async def ask(self, request: Awaitable[_T]) -> _T:
        """The answer to a request, noted as one. Raises what the request raises."""
        try:
            answer = await request
        except Unavailable as error:
            if error.code != TOO_NEW:  # which is an answer, of sorts
                self.gave_no_answer()
            raise
        except Unchanged:
            self._answered()
            raise
        self._answered()
        return answer

    async def voice(self, voice_id: str, *, unless: str | None = None) -> Versioned | None:
        """What the document of a voice says now; None where there is none. Unchanged, Unavailable, StorageFailed."""
        key = voice_key(voice_id)
        # An empty ETag is that of a document which has been written over since.
        stored: Stored | None = await self.ask(self._bucket.get(key, unless=unless or None))
        if stored is None:
            return None
        record: Record = parsed_record(parsed(stored, key=key).body, key=key)
        return Versioned(record, stored.etag)

    async def confirm(self, *, now: bool = False) -> None:
        """Return if the bucket holds our library: only then does a missing document mean a missing voice.

        Args:
            now: ask, however short ago that was found; else what was found within `confirmed_s` will do.

        Raises:
            Unavailable: `storage_bucket_changed`, or the bucket does not answer.
        """
        if now or self._found is None or not 0 <= self._clock() - self._found[1] < self._confirmed_s:
            young_s = 0.0 if now else self._confirmed_s
            flight = self._lookups.join("", self._look, since=ticket(), young_s=young_s)
            await asyncio.wait([flight])
            found = flight.result()
        else:
            found = self._found[0]
        if found != self._library_id:
            raise _changed(found)

    async def close(self) -> None:
        await self._lookups.close()

    async def _look(self) -> str | None:
        asked_at = self._clock()
        try:
            document = await self.ask(read(self._bucket, LIBRARY))
        except StorageFailed:
            found = None
        else:
            found = None if document is None else str(document.body.get("library"))
        self._found = found, asked_at
        return found

    def _answered(self) -> None:
        self._away_at = None
        self.answers += 1


def _changed(found: str | None) -> Unavailable:
    if found is None:
        seen = "no library any more: it was emptied, or its library.json was removed or damaged"
        remedy = "Bring that library back. How to begin a new one, the next start says."
    else:
        seen, remedy = "another library now", "Bring ours back, or start the server again to use that one."
    return Unavailable(
        f"The bucket holds {seen}. Nothing is written to it.",
        code="storage_bucket_changed",
        field="R2_BUCKET_NAME",
        remedy=remedy,
        retry_after_s=30,
    )
