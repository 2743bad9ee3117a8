"""Reading the library: from the mirror while it is fresh, from the bucket when it is not, and from the mirror again
when the bucket is away.

While the bucket answers, what another server changes is seen within `fresh_s`, and a new voice at once, because
whatever is not known here is asked for there. While it does not, the last known state answers for `stale_max_s`;
after that, and for what was never known here, Unavailable: nobody can say that there is no such voice.

With `fresh_s=0` every read asks the bucket after it has begun, and none takes an answer that was asked for before
(see `flights`). Then reads of one voice, by id or by name, and of the default are linearizable while the bucket
answers, and with `stale_max_s=0` always.

* `get`: at the read of the document. The mirror adds only later versions that it knows by then.
* `find`: at that of the document, if it lists the name. Else the claim is read and then the document of the voice it
  names. While the claim names that voice, none but that voice can list the name; if it does not list it by the time
  its document is read, there was a moment in between when nobody did.
* `default`: `default.json` is read before the voice and again after it, until both say the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.names import is_voice_id
from chatterbox_api_storage_r2.bucket import Bucket, Unchanged
from chatterbox_api_storage_r2.documents import read
from chatterbox_api_storage_r2.flights import Flights, ticket
from chatterbox_api_storage_r2.joining import check_lists
from chatterbox_api_storage_r2.line import Line
from chatterbox_api_storage_r2.listing import Listing
from chatterbox_api_storage_r2.mirror import Chosen, Mirror, Seen
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.records import DEFAULT, SWEEPS, VOICES, Record, Versioned

__all__ = ["Reader"]

_T = TypeVar("_T")
_DEFAULT: Final = "default"
_ALL: Final = "all"


class Reader:
    """See the module. Used on one event loop.

    Args:
        library_id: what `library.json` has to say for a missing document to mean a missing voice.
        fresh_s: for how long after the bucket has confirmed something it is not asked again.
        stale_max_s: for how long the last known state speaks while the bucket is away.
        revalidate_s: how long the bucket may take where the last known state could speak instead.
        away_s: for how long a bucket that has not answered is not waited for where that state can speak.
        page_wait_s: how long a list may take; also the first, which reads every voice.
        confirmed_s: for how long it is taken for certain which library is in the bucket.
        clock: seconds of the wall clock. Where it goes back, nothing is fresh.
    """

    def __init__(
        self,
        bucket: Bucket,
        library: BucketLibrary,
        mirror: Mirror,
        *,
        library_id: str,
        fresh_s: float = 30.0,
        stale_max_s: float = 3600.0,
        revalidate_s: float = 1.5,
        away_s: float = 5.0,
        page_wait_s: float = 8.0,
        confirmed_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.library_id = library_id
        self._bucket, self._library, self._mirror, self._clock = bucket, library, mirror, clock
        self._fresh_s, self._stale_max_s = fresh_s, stale_max_s
        self._revalidate_s, self._page_wait_s = revalidate_s, page_wait_s
        self._line = Line(bucket, library_id=library_id, away_s=away_s, confirmed_s=confirmed_s, clock=clock)
        self._listing = Listing(bucket, self._line, mirror, clock)
        self._voices: Flights[Record | None] = Flights(clock)
        self._names: Flights[Record | None] = Flights(clock)
        self._defaults: Flights[Chosen] = Flights(clock)
        self._listings: Flights[None] = Flights(clock)

    async def get(self, voice_id: str) -> Record | None:
        """The voice with this id; None if it is deleted or never was. Unavailable, StorageFailed `storage_damaged`."""
        return await self._get(voice_id, since=ticket())

    async def confirmed(self, voice_id: str) -> Record | None:
        """As `get`, asked of the bucket now, however fresh what is known is. Unavailable."""
        since, seen = ticket(), await self._mirror.get(voice_id)
        return _live(await _answer(self._voices.join(voice_id, lambda: self._fetch(voice_id, seen), since=since)))

    async def find(self, canonical: str) -> Record | None:
        """The voice that answers to this canonical name. Raises what `get` does."""
        since = ticket()
        seen = await self._mirror.find(canonical)
        if seen is not None and seen.record.voice is not None:
            record = await self._current(seen.record.voice.id, seen, since=since)
            if record is not None and record.answers_to(canonical):
                return record
        return await _answer(self._names.join(canonical, lambda: self._fetch_claimant(canonical), since=since))

    async def default(self) -> Voice | None:
        """The default voice; None if none is chosen, or the one that was is gone. Raises what `get` does."""
        chosen = await self._chosen(since=ticket())
        while chosen.voice_id is not None:
            record = await self._get(chosen.voice_id, since=ticket())
            again = await self._chosen(since=ticket())
            if (again.voice_id, again.nonce) == (chosen.voice_id, chosen.nonce):
                return None if record is None else record.voice
            chosen = again
        return None

    async def page(self, after: str | None, limit: int) -> tuple[Voice, ...]:
        """At most `limit` voices in order of id, behind the id `after`.

        Raises:
            Unavailable: the bucket is away and was not listed for long, or `storage_loading`, if it is still being
                read for the first time.
        """
        since, listed_at = ticket(), await self._mirror.listed_at()
        if not self._is_fresh(listed_at):
            await self._list(since, speaks=self._may_speak(listed_at))
        return await self._mirror.page(after, limit)

    async def refresh(self) -> None:
        """Bring the whole mirror up to date, which prefetches every voice's document. Unavailable."""
        await _answer(self._listings.join(_ALL, self._listing.run, since=ticket(), young_s=self._fresh_s))

    async def confirm_library(self) -> None:
        """Return if the bucket holds our library at this moment. Unavailable."""
        await self._line.confirm(now=True)

    async def check(self) -> None:
        """Return if the bucket holds our library and can be listed. Unavailable."""
        await self._line.confirm()
        await check_lists(self._bucket, VOICES if self._listing.failed else SWEEPS)

    async def wrote(self, voice_id: str, versioned: Versioned, *, begun_at: float | None = None) -> None:
        """Take in a voice that has just been written, or deleted. It is not asked for again while it is fresh.

        Args:
            begun_at: when the write was begun; now when None.
        """
        checked_at = self._clock() if begun_at is None else begun_at
        if not versioned.etag:  # another writer was there since, so this was the state, and is not any more
            checked_at -= self._fresh_s
        await self._mirror.keep(voice_id, versioned, checked_at=checked_at)

    async def wrote_default(self, voice_id: str | None) -> None:
        """Take in which voice has just been made the default."""
        await self._mirror.keep_default(voice_id, checked_at=self._clock())

    async def close(self) -> None:
        """End what goes on in the background."""
        for flights in (self._listings, self._names, self._defaults, self._voices, self._line):
            await flights.close()

    async def _get(self, voice_id: str, *, since: int) -> Record | None:
        if not is_voice_id(voice_id):
            return None
        return await self._current(voice_id, await self._mirror.get(voice_id), since=since)

    async def _current(self, voice_id: str, seen: Seen | None, *, since: int) -> Record | None:
        if seen is None:
            flight = self._voices.join(voice_id, lambda: self._fetch(voice_id, None), since=since)
            return _live(await _answer(flight))
        if self._is_fresh(seen.checked_at):
            return _live(seen.record)
        return _live(
            await self._revalidated(
                lambda: self._voices.join(
                    voice_id, lambda: self._fetch(voice_id, seen), since=since, young_s=self._fresh_s
                ),
                seen.record,
                checked_at=seen.checked_at,
            )
        )

    async def _chosen(self, *, since: int) -> Chosen:
        known = await self._mirror.default()
        if known is not None and self._is_fresh(known.checked_at):
            return known

        def join() -> asyncio.Task[Chosen]:
            young_s = 0.0 if known is None else self._fresh_s
            return self._defaults.join(_DEFAULT, lambda: self._fetch_default(known), since=since, young_s=young_s)

        if known is None:
            return await _answer(join())
        return await self._revalidated(join, known, checked_at=known.checked_at)

    async def _revalidated(self, join: Callable[[], asyncio.Task[_T]], last: _T, *, checked_at: float) -> _T:
        """What the bucket says, or what was last known where it does not and that may speak."""
        if not self._may_speak(checked_at):
            return await _answer(join())
        if self._line.is_away:
            return last
        flight = join()
        await asyncio.wait([flight], timeout=self._revalidate_s)
        if not flight.done():
            self._line.gave_no_answer()
            return last
        try:
            return await _answer(flight)
        except Unavailable:
            return last

    async def _list(self, since: int, *, speaks: bool) -> None:
        """Wait for a listing. If the last one may speak, no longer than answers keep coming."""
        if speaks and self._line.is_away:
            return
        flight = self._listings.join(_ALL, self._listing.run, since=since, young_s=self._fresh_s)
        until_s = time.monotonic() + self._page_wait_s
        while not flight.done() and (left_s := until_s - time.monotonic()) > 0:
            answers = self._line.answers
            await asyncio.wait([flight], timeout=min(left_s, self._revalidate_s) if speaks else left_s)
            if speaks and not flight.done() and self._line.answers == answers:
                self._line.gave_no_answer()
                return
        if not speaks and not flight.done():
            raise Unavailable(
                f"The library is being read: {self._listing.voices_read} voices so far.",
                code="storage_loading",
                remedy="Try again in a moment; voices can be used by name meanwhile.",
                retry_after_s=2,
            )
        try:
            if flight.done():
                await _answer(flight)
        except Unavailable:
            if not speaks:
                raise

    async def _fetch(self, voice_id: str, seen: Seen | None) -> Record | None:
        """Ask for a voice's document, if it is not the one that was seen."""
        asked_at = self._clock()
        try:
            versioned = await self._line.voice(voice_id, unless=seen.etag if seen else None)
        except Unchanged:
            assert seen is not None  # noqa: S101
            await self._mirror.touch({voice_id: seen.etag}, checked_at=asked_at)
            return _later(seen.record, await self._mirror.get(voice_id))
        if versioned is not None:
            return _later(versioned.record, await self._mirror.keep(voice_id, versioned, checked_at=asked_at))
        if seen is not None and seen.record.voice is not None:
            await self._line.confirm()
            await self._mirror.forget({voice_id: seen.etag}, at=asked_at)
        return None

    async def _fetch_claimant(self, canonical: str) -> Record | None:
        """Ask who has claimed a name, and then, whatever is known of that voice, whether it answers to it."""
        voice_id = await self._line.ask(self._library.claimant(canonical))
        if not isinstance(voice_id, str) or not is_voice_id(voice_id):
            return None
        since, seen = ticket(), await self._mirror.get(voice_id)
        record = await _answer(self._voices.join(voice_id, lambda: self._fetch(voice_id, seen), since=since))
        return record if record is not None and record.answers_to(canonical) else None

    async def _fetch_default(self, known: Chosen | None) -> Chosen:
        asked_at, times = self._clock(), known.times if known else 0
        document = await self._line.ask(read(self._bucket, DEFAULT))
        chosen, nonce = (None, "") if document is None else (document.body.get("voice"), document.nonce)
        voice_id = chosen if isinstance(chosen, str) else None
        await self._mirror.keep_default(voice_id, checked_at=asked_at, nonce=nonce, over=times)
        return Chosen(voice_id, nonce, asked_at, times)

    def _is_fresh(self, checked_at: float | None) -> bool:
        return checked_at is not None and 0 <= self._clock() - checked_at < self._fresh_s

    def _may_speak(self, checked_at: float | None) -> bool:
        return checked_at is not None and abs(self._clock() - checked_at) <= self._stale_max_s


def _live(record: Record | None) -> Record | None:
    return record if record is not None and record.voice is not None else None


def _later(record: Record, seen: Seen | None) -> Record:
    """A record that was read, or the one in the mirror if that is newer. Nothing is newer than a deleted one."""
    if seen is None or record.voice is None or (seen.record.voice and seen.record.version <= record.version):
        return record
    return seen.record


async def _answer(flight: asyncio.Task[_T]) -> _T:
    """Wait for a request that is others' too."""
    await asyncio.wait([flight])
    if flight.cancelled():
        raise Unavailable("The store of voices is being closed, or opened anew.", code="storage_closed")
    return flight.result()
