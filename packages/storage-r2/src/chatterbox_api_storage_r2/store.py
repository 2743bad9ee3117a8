"""The VoiceStore on R2: writes through the protocol, reads through the mirror.

A write is acknowledged when the bucket has the document that says so, and from then on this server reads it from its
mirror. It goes on to its end also when its caller has given up, unless its time is over; then whether it was done may
be open, and the error says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from chatterbox_api_core.errors import ChatterboxError, StorageFailed, Unavailable
from chatterbox_api_core.types import KEEP, Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name, could_be_name, is_voice_id
from chatterbox_api_storage_r2.bucket import Doubtful
from chatterbox_api_storage_r2.clips import Clips
from chatterbox_api_storage_r2.connection import Connection
from chatterbox_api_storage_r2.endpoints import is_r2
from chatterbox_api_storage_r2.failures import startup_error
from chatterbox_api_storage_r2.joining import check_conditions, check_writes, library_in
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.protocol import BucketLibrary, gone
from chatterbox_api_storage_r2.reader import Reader
from chatterbox_api_storage_r2.readiness import Readiness
from chatterbox_api_storage_r2.records import Record, Versioned
from chatterbox_api_storage_r2.upkeep import Upkeep, sweep
from chatterbox_api_storage_r2.writes import Writes

__all__ = ["R2Store"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_SOON_S: Final = 60.0


class R2Store:
    """See the module. Use `open`."""

    def __init__(
        self,
        bucket: ObstoreBucket,
        mirror: Mirror,
        *,
        clip_wait_s: float,
        replaced_kept_s: float,
        write_deadline_s: float,
        probes_conditions: bool = False,
        **reading: Any,
    ) -> None:
        self._bucket, self._mirror, self._reading = bucket, mirror, reading
        self._replaced_kept_s, self._probes_conditions = replaced_kept_s, probes_conditions
        self._clips = Clips(bucket, wait_s=clip_wait_s)
        self._writes = Writes(deadline_s=write_deadline_s)
        self._library = BucketLibrary(bucket)
        self._upkeep = Upkeep()
        self._readiness = Readiness(self._look)
        self._write_failed = False
        self._reader: Reader | None = None
        self._library_id: str | None = None
        """Of the reader, once the bucket has confirmed it."""
        self._cause: ChatterboxError = Unavailable("The bucket has not been read yet.", code="storage_loading")

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        connection: Connection,
        *,
        mirror_path: Path | None,
        fresh_s: float = 30.0,
        stale_max_s: float = 3600.0,
        clip_wait_s: float = 8.0,
        write_deadline_s: float = 30.0,
        rejoin_s: float = 5.0,
        sweep_age_s: float = 24 * 3600.0,
        sweep_every_s: float = 3600.0,
    ) -> AsyncGenerator[R2Store, None]:
        """Open the library in a bucket. While the bucket cannot be reached, it is tried again in the background.

        Args:
            mirror_path: the file of the local mirror, made if missing; None keeps it in memory.
            fresh_s, stale_max_s: see `Reader`.
            clip_wait_s: how long a call of `audio` waits for a clip.
            write_deadline_s: for a write as a whole; a second more for each 256 KiB of a clip.
            rejoin_s: from one try to the next.
            sweep_age_s: how old a left-over object must be to be removed, more than any write takes.

        Raises:
            ConfigurationError: what waiting cannot help. The server refuses the key, lists or conditional writes; there
                is no such bucket; it was emptied, though the mirror knows voices of it; the clock is wrong; and more.
        """
        async with AsyncExitStack() as stack:
            probe_limit_s = max(3.0, connection.read_timeout_s)
            bucket = await stack.enter_async_context(ObstoreBucket.open(connection, probe_limit_s=probe_limit_s))
            mirror = await stack.enter_async_context(Mirror.open(mirror_path))
            store = cls(
                bucket,
                mirror,
                clip_wait_s=clip_wait_s,
                replaced_kept_s=2 * fresh_s,
                write_deadline_s=write_deadline_s,
                probes_conditions=not is_r2(connection.endpoint),  # that does them, and each probe is a dear request
                fresh_s=fresh_s,
                stale_max_s=stale_max_s,
            )
            stack.push_async_callback(store._close)
            await store._join(rejoin_s)
            store._upkeep.begin(
                store._sweep_for_ever(age_s=sweep_age_s, every_s=sweep_every_s), what="left-over objects stay for now"
            )
            yield store

    async def ready(self) -> None:
        self._bucket.health.check()
        if self._library_id is None:
            raise self._away()
        await self._readiness.check()

    async def get(self, voice_id: str) -> Voice | None:
        return _voice(await self._read().get(voice_id)) if is_voice_id(voice_id) else None

    async def get_by_name(self, name: str) -> Voice | None:
        return _voice(await self._read().find(canonical_name(name))) if could_be_name(name) else None

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        try:
            return await self._read().page(after, limit)
        except Unavailable:
            self._readiness.suspect()
            raise

    async def read_clip(self, voice: Voice) -> bytes:
        reader = self._read()
        record = await reader.get(voice.id)
        while record is not None and record.voice is not None and record.voice.sha256 == voice.sha256:
            if (data := await self._clips.read(record.clip, sha256=voice.sha256)) is not None:
                return data
            seen, record = record, await reader.confirmed(voice.id)
            if record is not None and record.clip == seen.clip:
                raise StorageFailed(
                    f"The stored clip of the voice {voice.name!r} is damaged or missing.",
                    code="voice_damaged",
                    field="voice",
                    remedy="Replace its clip.",
                )
        raise gone(voice.id)

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        async def work() -> Versioned:
            return await self._library.add(draft, audio)

        return await self._write(work, (draft.name, *draft.aliases), size_bytes=len(audio.data))

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        async def work() -> Versioned:
            versioned, superseded = await self._library.replace(voice_id, audio)
            # Another server may still go by the version before, and fetch its clip.
            self._upkeep.begin(self._discard(superseded), what="a replaced clip stays until it is swept")
            return versioned

        return await self._write(work, voice_id=voice_id, size_bytes=len(audio.data))

    async def update(self, voice_id: str, changes: VoiceChanges) -> Voice:
        async def work() -> Versioned:
            return await self._library.update(voice_id, changes)

        name = () if changes.name is KEEP else (changes.name,)
        return await self._write(work, (*name, *changes.add_aliases), voice_id=voice_id)

    async def remove(self, voice_id: str) -> None:
        async def work() -> None:
            begun_at = time.time()
            await self._read().wrote(voice_id, await self._library.remove(voice_id), begun_at=begun_at)

        _known_shape(voice_id)
        await self._do(work, (voice_id,))

    async def default(self) -> Voice | None:
        return await self._read().default()

    async def set_default(self, voice_id: str | None) -> None:
        async def work() -> None:
            await self._library.set_default(voice_id)
            await self._read().wrote_default(voice_id)

        if voice_id is not None:
            _known_shape(voice_id)
        await self._do(work, ("default",))

    async def _write(
        self,
        work: Callable[[], Awaitable[Versioned]],
        names: Iterable[str] = (),
        *,
        voice_id: str | None = None,
        size_bytes: int = 0,
    ) -> Voice:
        """Write a voice, alone in this process with it and with the names it takes."""

        async def written() -> Voice:
            begun_at = time.time()
            versioned = await work()
            assert versioned.record.voice is not None  # noqa: S101
            await self._read().wrote(versioned.record.voice.id, versioned, begun_at=begun_at)
            return versioned.record.voice

        if voice_id is not None:
            _known_shape(voice_id)
        touching = {f"name {canonical_name(name)}" for name in names} | ({voice_id} if voice_id else set())
        return await self._do(written, touching, size_bytes=size_bytes)

    async def _do(self, work: Callable[[], Awaitable[_T]], touching: Iterable[str], *, size_bytes: int = 0) -> _T:
        """Write, into our own library: a bucket that was emptied or exchanged is left as it is."""

        async def confirmed() -> _T:
            await self._read().confirm_library()
            return await work()

        self._read()
        try:
            done = await self._writes.do(confirmed, touching, size_bytes=size_bytes)
        except (Unavailable, StorageFailed):
            self._write_failed = True
            self._readiness.suspect()
            raise
        self._write_failed = False
        return done

    async def _look(self) -> None:
        await self._read().check()
        if self._write_failed:
            await check_writes(self._bucket)
            self._write_failed = False

    async def _join(self, rejoin_s: float) -> None:
        """Find out which library this is, now or in the background; until then a mirror that has one speaks."""
        try:
            await self._joined()
        except ChatterboxError as error:
            stop = startup_error(error)
            if stop is not None:
                raise stop from error
            self._cause = error
            _log.warning("voices cannot be read from the bucket yet: %s", error)
            if (library_id := await self._mirror.library_id()) is not None:
                self._begin_reading(library_id)
            self._upkeep.begin(self._rejoin(rejoin_s), what="the bucket was not read")

    async def _joined(self) -> None:
        library_id = await library_in(self._bucket, lost=await self._lost())
        if self._probes_conditions:
            await self._probe_conditions()
        await self._mirror.begin(library_id)
        if self._reader is None or self._reader.library_id != library_id:
            self._begin_reading(library_id)
        assert self._reader is not None  # noqa: S101
        self._library_id = library_id
        self._readiness.good()
        if self._write_failed:
            self._readiness.suspect()
        self._upkeep.begin(self._reader.refresh(), what="the voices were not read in advance")

    async def _lost(self) -> StorageFailed | None:
        """What to say of a bucket without a library, if the mirror knows voices of the one that was there."""
        if await self._mirror.library_id() is None or not await self._mirror.etags():
            return None
        where = f" ({self._mirror.path})" if self._mirror.path else ""
        return StorageFailed(
            "The bucket holds no library any more, though this server has used one there. Nothing is written to it.",
            code="storage_bucket_changed",
            field="R2_BUCKET_NAME",
            remedy=f"Bring that library back. To begin a new one, remove the file of the local mirror{where}.",
        )

    async def _probe_conditions(self) -> None:
        try:
            await check_conditions(self._bucket)
        except (Unavailable, StorageFailed) as error:
            if error.code == "storage_unsafe" or (startup_error(error) and not isinstance(error, StorageFailed)):
                raise
            self._write_failed = True
            _log.warning("voices can be read and not changed: %s", error)

    def _begin_reading(self, library_id: str) -> None:
        if self._reader is not None:
            self._upkeep.begin(self._reader.close(), what="reading of another library was not ended")
        self._reader = Reader(self._bucket, self._library, self._mirror, library_id=library_id, **self._reading)

    async def _rejoin(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await self._joined()
            except ChatterboxError as error:
                if error.code != self._cause.code:
                    _log.warning("voices cannot be read from the bucket yet: %s", error)
                self._cause = error
            else:
                _log.warning("the voices are read from the bucket now")
                return

    async def _sweep_for_ever(self, *, age_s: float, every_s: float) -> None:
        await asyncio.sleep(min(_SOON_S, every_s))
        while True:
            if self._reader is not None:
                age, every = timedelta(seconds=age_s), timedelta(seconds=every_s / 2)
                try:
                    await sweep(self._bucket, self._library, self._mirror, age=age, at_most_every=every)
                except (ChatterboxError, Doubtful) as error:
                    _log.info("left-over objects stay for now: %s", error)
            await asyncio.sleep(every_s)

    async def _discard(self, clip: str) -> None:
        await asyncio.sleep(self._replaced_kept_s)
        await self._library.discard(clip)

    async def _close(self) -> None:
        await self._writes.close()
        await self._readiness.close()
        await self._clips.close()
        await self._upkeep.close()
        if self._reader is not None:
            await self._reader.close()

    def _read(self) -> Reader:
        if self._reader is None:
            raise self._away()
        return self._reader

    def _away(self) -> Unavailable:
        cause = self._cause
        return Unavailable(cause.message, code=cause.code, field=cause.field, remedy=cause.remedy, retry_after_s=5)


def _voice(record: Record | None) -> Voice | None:
    return None if record is None else record.voice


def _known_shape(voice_id: str) -> None:
    if not is_voice_id(voice_id):
        raise gone(voice_id)
