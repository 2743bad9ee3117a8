"""The VoiceStore on R2: writes through the protocol, reads through the mirror.

A write is acknowledged when the bucket has the document that says so, and from then on this server reads it from its
mirror. It goes on to its end also when its caller has given up, unless its time is over; then its outcome may be
unknown, and the error says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from chatterbox_api_core.errors import StorageFailed, Unavailable
from chatterbox_api_core.types import KEEP, Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name, could_be_name, is_voice_id
from chatterbox_api_core.voices.store_errors import voice_damaged, voice_gone
from chatterbox_api_storage_r2.bucket import Bucket
from chatterbox_api_storage_r2.clips import Clips
from chatterbox_api_storage_r2.endpoints import is_r2
from chatterbox_api_storage_r2.layout import Record, Versioned
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.reader import DEFAULT_FRESHNESS, Freshness
from chatterbox_api_storage_r2.session import Session
from chatterbox_api_storage_r2.settings import Connection
from chatterbox_api_storage_r2.sweep import sweep_regularly
from chatterbox_api_storage_r2.timeouts import DEFAULT_TIMEOUTS, Timeouts
from chatterbox_api_storage_r2.writes import WriteCoordinator

__all__ = ["R2Store"]

_T = TypeVar("_T")
_DEFAULT = "default"


class R2Store:
    """A `VoiceStore` in a bucket of R2 or of any S3 server. Used on one event loop.

        async with R2Store.open(connection, mirror_path=Path("mirror.db")) as store:
            anna = await store.add(VoiceDraft("Anna"), audio)
            await store.update(anna.id, VoiceChanges(add_aliases=("Mum",)))

    The methods of the port do and raise what `VoiceStore` says. Besides that, a write raises Unavailable
    `storage_unsure` where its outcome cannot be found out, and reads raise Unavailable where the bucket does not answer
    and what is known is too old.
    """

    def __init__(self, session: Session, clips: Clips, writes: WriteCoordinator, *, superseded_kept_s: float) -> None:
        self._session, self._clips, self._writes = session, clips, writes
        self._library, self._superseded_kept_s = session.library, superseded_kept_s

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        connection: Connection,
        *,
        mirror_path: Path | None,
        freshness: Freshness = DEFAULT_FRESHNESS,
        retry_join_every_s: float = 5.0,
        sweep_age_s: float = 24 * 3600.0,
        sweep_every_s: float = 3600.0,
    ) -> AsyncGenerator[R2Store, None]:
        """The store in the bucket of a connection, until the end of the block.

        Where the bucket is unavailable the store opens all the same, and joins the library in the background.

        Args:
            connection: where the bucket is, and how long requests may take.
            mirror_path: the file of the local mirror, created if missing; None keeps it in memory.
            freshness: how old an answer may be.
            retry_join_every_s: from one attempt to join the library to the next.
            sweep_age_s: how old a left-over object is when it is removed; more than any write takes.
            sweep_every_s: from one sweep to the next.

        Raises:
            ConfigurationError: what waiting cannot help. The server refuses the key, lists or conditional writes; there
                is no such bucket; it was emptied, though the mirror knows voices of it; the clock is wrong; and more.
        """
        async with AsyncExitStack() as stack:
            bucket = await stack.enter_async_context(ObstoreBucket.open(connection))
            mirror = await stack.enter_async_context(Mirror.open(mirror_path))
            store = await stack.enter_async_context(
                cls.open_on(
                    bucket,
                    mirror,
                    freshness=freshness,
                    timeouts=connection.timeouts,
                    retry_join_every_s=retry_join_every_s,
                    # R2 keeps the conditions of writes, and every probe of them is an expensive request there.
                    probes_conditions=not is_r2(connection.endpoint),
                )
            )
            library = store._library
            store._session.tasks.start(
                sweep_regularly(bucket, library, mirror, age_s=sweep_age_s, every_s=sweep_every_s),
                failure="left-over objects are not swept any more",
            )
            yield store

    @classmethod
    @asynccontextmanager
    async def open_on(
        cls,
        bucket: Bucket,
        mirror: Mirror,
        *,
        freshness: Freshness = DEFAULT_FRESHNESS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        retry_join_every_s: float = 5.0,
        probes_conditions: bool = False,
    ) -> AsyncGenerator[R2Store, None]:
        """The store in a bucket of any kind, until the end of the block. It sweeps nothing.

        Args:
            bucket, mirror: both are open, and stay so.
            timeouts: how long a caller waits.
            freshness, retry_join_every_s: see `open`.
            probes_conditions: whether the start tries that the server keeps the conditions of writes.

        Raises:
            ConfigurationError: see `open`.
        """
        session = Session(bucket, mirror, freshness=freshness, timeouts=timeouts, probes_conditions=probes_conditions)
        clips, writes = Clips(bucket, wait_s=timeouts.clip_s), WriteCoordinator(timeouts)
        try:
            await session.join(retry_every_s=retry_join_every_s)
            # Another server may use the version before for `fresh_s`, and fetch its clip.
            yield cls(session, clips, writes, superseded_kept_s=2 * freshness.fresh_s)
        finally:
            await writes.close()
            await clips.close()
            await session.close()

    async def ready(self) -> None:
        """See `VoiceStore.ready`."""
        await self._session.ready()

    async def get(self, voice_id: str) -> Voice | None:
        """See `VoiceStore.get`."""
        return _voice(await self._session.reader.get(voice_id)) if is_voice_id(voice_id) else None

    async def get_by_name(self, name: str) -> Voice | None:
        """See `VoiceStore.get_by_name`."""
        return _voice(await self._session.reader.find(canonical_name(name))) if could_be_name(name) else None

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        """See `VoiceStore.list`."""
        try:
            return await self._session.reader.page(after, limit)
        except Unavailable:
            self._session.report_list_failure()
            raise

    async def read_clip(self, voice: Voice) -> bytes:
        """See `VoiceStore.read_clip`. The bytes have the SHA-256 of the voice."""
        reader = self._session.reader
        record = await reader.get(voice.id)
        while record is not None and record.voice is not None and record.voice.sha256 == voice.sha256:
            if (data := await self._clips.read(record.clip, sha256=voice.sha256)) is not None:
                return data
            # What is known of the voice may be old: the clip may have gone because it was replaced.
            before, record = record, await reader.confirmed(voice.id)
            if record is not None and record.clip == before.clip:
                raise voice_damaged(voice)
        raise voice_gone(voice.id)

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        """See `VoiceStore.add`."""
        names = _name_keys(draft.name, *draft.aliases)
        return await self._write(partial(self._library.add, draft, audio), names, size_bytes=len(audio.data))

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        """See `VoiceStore.replace`."""
        _check_id(voice_id)
        return await self._write(partial(self._replace, voice_id, audio), {voice_id}, size_bytes=len(audio.data))

    async def update(self, voice_id: str, changes: VoiceChanges) -> Voice:
        """See `VoiceStore.update`."""
        _check_id(voice_id)
        names = _name_keys(*(() if changes.name is KEEP else (changes.name,)), *changes.add_aliases)
        return await self._write(partial(self._library.update, voice_id, changes), {voice_id} | names)

    async def remove(self, voice_id: str) -> None:
        """See `VoiceStore.remove`."""
        _check_id(voice_id)
        await self._run(partial(self._remove, voice_id), {voice_id})

    async def default(self) -> Voice | None:
        """See `VoiceStore.default`."""
        return await self._session.reader.default()

    async def set_default(self, voice_id: str | None) -> None:
        """See `VoiceStore.set_default`."""
        if voice_id is not None:
            _check_id(voice_id)
        await self._run(partial(self._set_default, voice_id), {_DEFAULT})

    async def _write(
        self, operation: Callable[[], Awaitable[Versioned]], touching: set[str], *, size_bytes: int = 0
    ) -> Voice:
        """Carry out an operation of the protocol that returns a live voice."""
        return await self._run(partial(self._written, operation), touching, size_bytes=size_bytes)

    async def _run(self, work: Callable[[], Awaitable[_T]], touching: set[str], *, size_bytes: int = 0) -> _T:
        """Carry out a write, alone with what it touches, and note whether the bucket took it."""
        self._session.check_readable()
        try:
            done = await self._writes.run(partial(self._in_our_library, work), touching, size_bytes=size_bytes)
        except (Unavailable, StorageFailed):
            self._session.report_write(failed=True)
            raise
        self._session.report_write(failed=False)
        return done

    async def _in_our_library(self, work: Callable[[], Awaitable[_T]]) -> _T:
        await self._session.reader.confirm_library()  # a bucket that was emptied or exchanged is left as it is
        return await work()

    async def _written(self, operation: Callable[[], Awaitable[Versioned]]) -> Voice:
        begun_at = time.time()
        versioned = await operation()
        assert versioned.record.voice is not None  # noqa: S101
        await self._session.reader.wrote(versioned.record.voice.id, versioned, begun_at=begun_at)
        return versioned.record.voice

    async def _replace(self, voice_id: str, audio: VoiceAudio) -> Versioned:
        versioned, superseded = await self._library.replace(voice_id, audio)
        self._session.tasks.start(self._discard_later(superseded), failure="a replaced clip stays until it is swept")
        return versioned

    async def _remove(self, voice_id: str) -> None:
        begun_at = time.time()
        removed = await self._library.remove(voice_id)
        await self._session.reader.wrote(voice_id, removed, begun_at=begun_at)

    async def _set_default(self, voice_id: str | None) -> None:
        await self._library.set_default(voice_id)
        await self._session.reader.wrote_default(voice_id)

    async def _discard_later(self, clip: str) -> None:
        await asyncio.sleep(self._superseded_kept_s)
        await self._library.discard(clip)


def _voice(record: Record | None) -> Voice | None:
    return None if record is None else record.voice


def _name_keys(*names: str) -> set[str]:
    return {f"name {canonical_name(name)}" for name in names}


def _check_id(voice_id: str) -> None:
    """Refuse what cannot be the id of a voice, before it becomes part of a key."""
    if not is_voice_id(voice_id):
        raise voice_gone(voice_id)
