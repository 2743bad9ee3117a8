"""The VoiceStore on a local disk.

A clip is written, synced and renamed before the transaction that names its file. The transaction is on the disk before
the call returns. So every acknowledged voice is complete, wherever a crash interrupts a write, and the only thing that
a crash can leave is a file that no voice names. Several processes may share a folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from chatterbox_api_core.aio import run_to_completion
from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name, could_be_name, is_voice_id
from chatterbox_api_core.voices.revisions import created, replaced, updated
from chatterbox_api_core.voices.store_errors import voice_damaged, voice_gone
from chatterbox_api_storage_local import records
from chatterbox_api_storage_local.database import transaction
from chatterbox_api_storage_local.errors import error_from_disk, map_disk_errors
from chatterbox_api_storage_local.files import ClipFolder, FileOperations
from chatterbox_api_storage_local.folder import VoiceFolder
from chatterbox_api_storage_local.recent_voices import Unknown
from chatterbox_api_storage_local.records import Record

__all__ = ["LocalStore"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_READY_S: Final = 2.0


class LocalStore:
    """A VoiceStore in a folder on a local disk. Use `open`.

        async with LocalStore.open(Path("voices")) as store:
            voice = await store.add(VoiceDraft("Anna"), audio)
            assert await store.get(voice.id) == voice

    Each write is atomic and lasts when its method returns. A write that is cancelled is completed or not begun. The
    methods raise what the port says; of StorageFailed the codes are `storage_full`, `storage_read_only` and
    `voice_damaged`.
    """

    def __init__(self, folder: VoiceFolder, *, sweep_age_s: float) -> None:
        self._folder = folder
        self._clips: ClipFolder = folder.clips
        self._sweep_age_s = sweep_age_s

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        *,
        files: FileOperations | None = None,
        sweep_age_s: float = 3600.0,
        sweep_every_s: float = 3600.0,
    ) -> AsyncGenerator[LocalStore, None]:
        """Open the voices in a folder, which is created if missing. A read-only folder is opened for reading.

        Args:
            files: the system calls that write; tests replace them.
            sweep_age_s: the age at which the sweep removes a file that no voice names. It must exceed the duration
                of any write, since the file may belong to a write of another process.
            sweep_every_s: the interval of the sweep; the first runs before the store is yielded.

        Raises:
            ConfigurationError: the folder cannot be used, or its database is damaged or too new.
        """
        opened = await asyncio.to_thread(VoiceFolder, folder, files or FileOperations())
        store = cls(opened, sweep_age_s=sweep_age_s)
        sweeping = asyncio.create_task(store._sweep_for_ever(sweep_every_s))
        try:
            await store.sweep()
            yield store
        finally:
            sweeping.cancel()
            await asyncio.wait([sweeping])
            await asyncio.to_thread(opened.close)

    async def ready(self) -> None:
        """Read one voice within 2 s. Raises Unavailable where the folder or its database cannot be read."""
        try:
            async with asyncio.timeout(_READY_S):
                await self._read(lambda connection: records.page(connection, after="", limit=1))
        except TimeoutError as error:
            raise error_from_disk(error, writing=False) from error

    async def get(self, voice_id: str) -> Voice | None:
        if not is_voice_id(voice_id):
            return None
        return await self._look_up(voice_id, lambda connection: records.get(connection, voice_id))

    async def get_by_name(self, name: str) -> Voice | None:
        if not could_be_name(name):
            return None
        canonical = canonical_name(name)
        return await self._look_up(f"name {canonical}", lambda connection: records.find_by_name(connection, canonical))

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        return await self._read(lambda connection: records.page(connection, after=after or "", limit=limit))

    async def read_clip(self, voice: Voice) -> bytes:
        return await self._read(lambda connection: self._audio(connection, voice))

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        voice = created(draft, audio)

        def work(connection: sqlite3.Connection) -> None:
            records.check_free(connection, voice)
            with self._naming_clip(connection, voice.id, audio) as file:
                records.insert(connection, Record(voice, file))

        await self._write(work)
        return voice

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        def work(connection: sqlite3.Connection) -> Voice:
            _known(connection, voice_id)
            with self._naming_clip(connection, voice_id, audio) as file:
                old = _known(connection, voice_id)
                voice = replaced(old.voice, audio)
                records.update(connection, Record(voice, file))
            self._clips.discard(old.file)
            return voice

        return await self._write(work)

    async def update(self, voice_id: str, changes: VoiceChanges) -> Voice:
        def work(connection: sqlite3.Connection) -> Voice:
            with transaction(connection):
                old = _known(connection, voice_id)
                voice = updated(old.voice, changes)
                records.update(connection, Record(voice, old.file))
            return voice

        return await self._write(work)

    async def remove(self, voice_id: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                old = _known(connection, voice_id)
                records.delete(connection, voice_id)
            self._clips.discard(old.file)

        await self._write(work)

    async def default(self) -> Voice | None:
        return await self._look_up("default", records.find_default)

    async def set_default(self, voice_id: str | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                if voice_id is not None:
                    _known(connection, voice_id)
                records.set_default(connection, voice_id)

        await self._write(work)

    async def sweep(self) -> None:
        """Remove the old files that no voice names. A failure is logged and raises nothing."""

        def work(connection: sqlite3.Connection) -> None:
            old = self._clips.older_than(self._sweep_age_s)
            if old:
                with transaction(connection):  # keeps other processes from naming one of these files meanwhile
                    for name in set(old) - records.files(connection):
                        self._clips.discard(name)

        if self._folder.writer is not None:
            try:
                await self._write(work)
            except ChatterboxError as error:
                _log.warning("the sweep of unused clip files failed: %s", error)

    async def _sweep_for_ever(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.sweep()

    def _audio(self, connection: sqlite3.Connection, voice: Voice) -> bytes:
        record = _known(connection, voice.id)
        while record.voice.sha256 == voice.sha256:
            data = self._clips.read(record.file, size_bytes=voice.size_bytes)
            if data is not None and hashlib.sha256(data).hexdigest() == voice.sha256:
                return data
            seen, record = record, _known(connection, voice.id)
            if record.file == seen.file:
                raise voice_damaged(voice)
        raise voice_gone(voice.id)

    @contextmanager
    def _naming_clip(self, connection: sqlite3.Connection, voice_id: str, audio: VoiceAudio) -> Iterator[str]:
        """A transaction for the rows that name a new clip. Its file is on the disk before; a failure removes it."""
        file = self._clips.put(voice_id, audio.media_type, audio.data)
        try:
            with transaction(connection):
                self._clips.check(file)
                yield file
        except BaseException as error:
            # A commit that failed with an I/O error may turn out to be done after a restart, so its file stays. Where
            # the commit was not done, the sweep removes the file.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_IOERR:
                self._clips.discard(file)
            raise

    async def _look_up(self, key: str, work: Callable[[sqlite3.Connection], Record | None]) -> Voice | None:
        """The voice of a record, from the database unless it was read a moment ago and nothing has changed since."""
        recent = self._folder.recent
        if not isinstance(voice := recent.get(key), Unknown):
            return voice
        state = recent.state()
        voice = _voice(await self._read(work))
        recent.remember(key, voice, state)
        return voice

    async def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with map_disk_errors(writing=False):
            return await asyncio.wrap_future(self._folder.readers.submit(work))

    async def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do a write completely or not at all.

        A caller that is cancelled waits until the write is done or withdrawn, unless it is cancelled once more.
        """
        if self._folder.writer is None:
            raise error_from_disk(self._folder.write_refusal, writing=True)
        submitted = self._folder.writer.submit(work)
        with map_disk_errors(writing=True):
            return await run_to_completion(asyncio.wrap_future(submitted), withdraw=submitted.cancel)


def _voice(record: Record | None) -> Voice | None:
    return None if record is None else record.voice


def _known(connection: sqlite3.Connection, voice_id: str) -> Record:
    record = records.get(connection, voice_id) if is_voice_id(voice_id) else None
    if record is None:
        raise voice_gone(voice_id)
    return record
