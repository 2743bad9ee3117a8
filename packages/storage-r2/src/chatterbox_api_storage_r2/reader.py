"""Reading the library: from the mirror while it is fresh, from the bucket when it is not, and from the mirror again
while the bucket is unavailable.

While the bucket answers, a change by another server is seen within `fresh_s`, and a new voice at once, because what
is not known here is asked for there. While it does not answer, the last known state is used for `stale_max_s`. After
that, and for what was never known here, reads raise Unavailable: nobody can say that there is no such voice.

With `fresh_s=0` every read asks the bucket after it has begun, and none takes an answer that was asked for before
(see `single_flight`). Then reads of one voice, by id or by name, and of the default are linearizable while the bucket
answers, and with `stale_max_s=0` always.

* `get`: at the read of the document. The mirror adds only later versions that it knows by then.
* `find`: at that of the document, if it lists the name. Else the claim is read and then the document of the voice it
  names. While the claim names that voice, only that voice can list the name; if it does not list it by the time
  its document is read, there was a moment in between when no voice did.
* `default`: `default.json` is read before the voice and again after it, until both say the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.names import is_voice_id
from chatterbox_api_storage_r2.bucket import Bucket, NotModified
from chatterbox_api_storage_r2.documents import read
from chatterbox_api_storage_r2.layout import DEFAULT, SWEEPS, VOICES, Record, Versioned
from chatterbox_api_storage_r2.library_identity import LibraryIdentity
from chatterbox_api_storage_r2.mirror import CachedDefault, CachedRecord, Mirror
from chatterbox_api_storage_r2.mirror_sync import MirrorSync
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.server_checks import check_lists
from chatterbox_api_storage_r2.single_flight import SingleFlight, logical_time
from chatterbox_api_storage_r2.timeouts import DEFAULT_TIMEOUTS, Timeouts

__all__ = ["DEFAULT_FRESHNESS", "Freshness", "Reader"]

_T = TypeVar("_T")
_DEFAULT: Final = "default"
_ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old an answer may be, in seconds.

    Attributes:
        fresh_s: for how long, after the bucket has confirmed something, it is not asked again.
        stale_max_s: for how long the last known state is used while the bucket is unavailable.
        confirmed_s: for how long the library that was found in the bucket is taken to be there still.
    """

    fresh_s: float = 30.0
    stale_max_s: float = 3600.0
    confirmed_s: float = 5.0


DEFAULT_FRESHNESS: Final = Freshness()


class Reader:
    """Reads one library. Used on one event loop; see the module.

        reader = Reader(bucket, library, mirror, library_id=library_id)
        record = await reader.find("anna")

    Args:
        bucket, library: are read.
        mirror: what is known; it has begun with this library.
        library_id: what `library.json` has to say for a missing document to mean a missing voice.
        freshness: how old an answer may be.
        timeouts: how long a caller waits.
        clock: seconds of the wall clock. Where it goes back, nothing is fresh.

    Attributes:
        library_id: of the library that is read.
    """

    def __init__(
        self,
        bucket: Bucket,
        library: BucketLibrary,
        mirror: Mirror,
        *,
        library_id: str,
        freshness: Freshness = DEFAULT_FRESHNESS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.library_id = library_id
        self._bucket, self._library, self._mirror, self._clock = bucket, library, mirror, clock
        self._freshness, self._timeouts, self._breaker = freshness, timeouts, bucket.breaker
        self._identity = LibraryIdentity(bucket, library_id=library_id, confirmed_s=freshness.confirmed_s, clock=clock)
        self._sync = MirrorSync(bucket, library, self._identity, mirror, clock=clock)
        self._voices: SingleFlight[Record | None] = SingleFlight(clock)
        self._names: SingleFlight[Record | None] = SingleFlight(clock)
        self._defaults: SingleFlight[CachedDefault] = SingleFlight(clock)
        self._syncs: SingleFlight[None] = SingleFlight(clock)

    async def get(self, voice_id: str) -> Record | None:
        """The voice with this id; None if it is deleted or never was.

        Raises:
            Unavailable: the bucket does not answer, and what is known is too old.
            StorageFailed: `storage_damaged`, its document is damaged.
        """
        return await self._get(voice_id, since=logical_time())

    async def confirmed(self, voice_id: str) -> Record | None:
        """As `get`, asked of the bucket now, however fresh what is known is. Raises what `get` raises."""
        since, cached = logical_time(), await self._mirror.get(voice_id)
        return _live(await _answer(self._voices.call(voice_id, lambda: self._fetch(voice_id, cached), since=since)))

    async def find(self, canonical: str) -> Record | None:
        """The voice that has this name in canonical form; None if no voice has. Raises what `get` raises."""
        since = logical_time()
        cached = await self._mirror.find(canonical)
        if cached is not None and cached.record.voice is not None:
            record = await self._current(cached.record.voice.id, cached, since=since)
            if record is not None and record.answers_to(canonical):
                return record
        # Unknown here, or not this voice's name any more: the claim tells, and another server may just have made it.
        return await _answer(self._names.call(canonical, lambda: self._fetch_claimant(canonical), since=since))

    async def default(self) -> Voice | None:
        """The default voice; None if none is chosen, or the one that was is gone. Raises what `get` raises."""
        chosen = await self._chosen(since=logical_time())
        while chosen.voice_id is not None:
            record = await self._get(chosen.voice_id, since=logical_time())
            again = await self._chosen(since=logical_time())
            # The same choice before and after: so it was the choice when the voice was read.
            if (again.voice_id, again.nonce) == (chosen.voice_id, chosen.nonce):
                return None if record is None else record.voice
            chosen = again
        return None

    async def page(self, after: str | None, limit: int) -> tuple[Voice, ...]:
        """At most `limit` voices in order of id, beginning behind the id `after`; None for the first page.

        Raises:
            Unavailable: the bucket is unavailable and has not been listed for long; or `storage_loading`, it is still
                being read for the first time.
        """
        since, listed_at = logical_time(), await self._mirror.listed_at()
        if not self._is_fresh(listed_at):
            await self._wait_for_sync(since, may_use_mirror=self._may_use(listed_at))
        return await self._mirror.page(after, limit)

    async def refresh(self) -> None:
        """Bring the whole mirror up to date, which reads the document of every voice that has changed.

        Raises:
            Unavailable: the bucket failed, or holds another library.
        """
        call = self._syncs.call(_ALL, self._sync.run, since=logical_time(), max_age_s=self._freshness.fresh_s)
        await _answer(call)

    async def confirm_library(self) -> None:
        """Return if the bucket holds our library at this moment. Raises what `LibraryIdentity.confirm` raises."""
        await self._identity.confirm(now=True)

    async def check(self) -> None:
        """Return if the bucket holds our library and can be listed.

        Raises:
            Unavailable: it does not, or cannot.
        """
        await self._identity.confirm()
        await check_lists(self._bucket, VOICES if self._sync.failed else SWEEPS)

    async def wrote(self, voice_id: str, versioned: Versioned, *, begun_at: float | None = None) -> None:
        """Take in a voice that this server has just written or deleted. It is fresh from then on.

        Args:
            begun_at: when the write was begun; None for now.
        """
        checked_at = self._clock() if begun_at is None else begun_at
        if not versioned.etag:  # another server has written since: this is known, and is not fresh
            checked_at -= self._freshness.fresh_s
        await self._mirror.keep(voice_id, versioned, checked_at=checked_at)

    async def wrote_default(self, voice_id: str | None) -> None:
        """Take in which voice this server has just made the default; None for none."""
        await self._mirror.keep_default(voice_id, checked_at=self._clock())

    async def close(self) -> None:
        """Cancel the requests that are under way."""
        for requests in (self._syncs, self._names, self._defaults, self._voices, self._identity):
            await requests.close()

    async def _get(self, voice_id: str, *, since: int) -> Record | None:
        if not is_voice_id(voice_id):
            return None
        return await self._current(voice_id, await self._mirror.get(voice_id), since=since)

    async def _current(self, voice_id: str, cached: CachedRecord | None, *, since: int) -> Record | None:
        if cached is None:
            call = self._voices.call(voice_id, lambda: self._fetch(voice_id, None), since=since)
            return _live(await _answer(call))
        if self._is_fresh(cached.checked_at):
            return _live(cached.record)

        def call_bucket() -> asyncio.Task[Record | None]:
            max_age_s = self._freshness.fresh_s
            return self._voices.call(voice_id, lambda: self._fetch(voice_id, cached), since=since, max_age_s=max_age_s)

        return _live(await self._revalidated(call_bucket, cached.record, checked_at=cached.checked_at))

    async def _chosen(self, *, since: int) -> CachedDefault:
        cached = await self._mirror.default()
        if cached is not None and self._is_fresh(cached.checked_at):
            return cached

        def call_bucket() -> asyncio.Task[CachedDefault]:
            max_age_s = 0.0 if cached is None else self._freshness.fresh_s
            return self._defaults.call(_DEFAULT, lambda: self._fetch_default(cached), since=since, max_age_s=max_age_s)

        if cached is None:
            return await _answer(call_bucket())
        return await self._revalidated(call_bucket, cached, checked_at=cached.checked_at)

    async def _revalidated(self, call_bucket: Callable[[], asyncio.Task[_T]], last: _T, *, checked_at: float) -> _T:
        """What the bucket says, or what was last known where the bucket does not answer and that may be used."""
        if not self._may_use(checked_at):
            return await _answer(call_bucket())
        if self._breaker.is_unresponsive:
            return last  # asked a moment ago, in vain: so this caller does not wait
        call = call_bucket()
        await asyncio.wait([call], timeout=self._timeouts.revalidate_s)
        if not call.done():
            # The request goes on, and the next caller has its answer.
            self._breaker.report_no_answer()
            return last
        try:
            return await _answer(call)
        except Unavailable:
            return last

    async def _wait_for_sync(self, since: int, *, may_use_mirror: bool) -> None:
        """Wait until the mirror is up to date. Where it may be used as it is, no longer than answers keep coming.

        Raises:
            Unavailable: the mirror may not be used as it is, and the bucket failed or has not been read in time.
        """
        if may_use_mirror and self._breaker.is_unresponsive:
            return
        call = self._syncs.call(_ALL, self._sync.run, since=since, max_age_s=self._freshness.fresh_s)
        if may_use_mirror:
            await self._wait_while_answered(call)
        else:
            await asyncio.wait([call], timeout=self._timeouts.page_s)
            if not call.done():
                raise Unavailable(
                    f"The library is being read: {self._sync.voices_read} voices so far.",
                    code="storage_loading",
                    remedy="Try again in a moment; voices can be used by name meanwhile.",
                    retry_after_s=2,
                )
        try:
            if call.done():
                await _answer(call)
        except Unavailable:
            if not may_use_mirror:
                raise

    async def _wait_while_answered(self, call: asyncio.Task[None]) -> None:
        """Wait for a sync, as long as the bucket answers one of its requests every `revalidate_s`."""
        until_s = time.monotonic() + self._timeouts.page_s
        while not call.done() and (left_s := until_s - time.monotonic()) > 0:
            answers = self._breaker.answers
            await asyncio.wait([call], timeout=min(left_s, self._timeouts.revalidate_s))
            if not call.done() and self._breaker.answers == answers:
                self._breaker.report_no_answer()
                return

    async def _fetch(self, voice_id: str, cached: CachedRecord | None) -> Record | None:
        """Read a voice's document, unless it is still the version that is cached."""
        asked_at = self._clock()
        # An empty ETag is that of a version which has been written over, and matches nothing.
        etag = cached.etag or None if cached else None
        try:
            versioned = await self._breaker.observe(self._library.read(voice_id, if_none_match=etag))
        except NotModified:
            assert cached is not None  # noqa: S101
            await self._mirror.touch({voice_id: cached.etag}, checked_at=asked_at)
            return _later(cached.record, await self._mirror.get(voice_id))
        if versioned is not None:
            # `keep` returns something later where this answer was overtaken by another.
            return _later(versioned.record, await self._mirror.keep(voice_id, versioned, checked_at=asked_at))
        if cached is not None and cached.record.voice is not None:
            # In another library every document is missing, so this is not taken for a removal unless it is ours.
            await self._identity.confirm()
            await self._mirror.forget({voice_id: cached.etag}, at=asked_at)
        return None

    async def _fetch_claimant(self, canonical: str) -> Record | None:
        """Read which voice has claimed a name, and then, whatever is known of that voice, whether it has the name."""
        voice_id = await self._breaker.observe(self._library.claimant(canonical))
        if not isinstance(voice_id, str) or not is_voice_id(voice_id):
            return None
        # From here on, since the claim: an older answer about the voice may be from before it took the name.
        since, cached = logical_time(), await self._mirror.get(voice_id)
        record = await _answer(self._voices.call(voice_id, lambda: self._fetch(voice_id, cached), since=since))
        return record if record is not None and record.answers_to(canonical) else None

    async def _fetch_default(self, cached: CachedDefault | None) -> CachedDefault:
        asked_at, times = self._clock(), cached.times if cached else 0
        document = await self._breaker.observe(read(self._bucket, DEFAULT))
        chosen, nonce = (None, "") if document is None else (document.body.get("voice"), document.nonce)
        voice_id = chosen if isinstance(chosen, str) else None
        await self._mirror.keep_default(voice_id, checked_at=asked_at, nonce=nonce, over=times)
        return CachedDefault(voice_id, nonce, asked_at, times)

    def _is_fresh(self, checked_at: float | None) -> bool:
        return checked_at is not None and 0 <= self._clock() - checked_at < self._freshness.fresh_s

    def _may_use(self, checked_at: float | None) -> bool:
        """Whether what was confirmed then may be used while the bucket does not answer."""
        return checked_at is not None and abs(self._clock() - checked_at) <= self._freshness.stale_max_s


def _live(record: Record | None) -> Record | None:
    return record if record is not None and record.voice is not None else None


def _later(record: Record, cached: CachedRecord | None) -> Record:
    """A record that was read, or the one in the mirror if that is later. Nothing is later than a deleted one."""
    if cached is None or record.voice is None or (cached.record.voice and cached.record.version <= record.version):
        return record
    return cached.record


async def _answer(call: asyncio.Task[_T]) -> _T:
    """Wait for a request that other callers share: one that is cancelled must not cancel it."""
    await asyncio.wait([call])
    if call.cancelled():
        raise Unavailable("The voice store is being closed or reopened.", code="storage_closed")
    return call.result()
