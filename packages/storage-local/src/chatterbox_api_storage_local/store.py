"""The VoiceStore on a local disk.

A clip is written, brought to the disk and renamed before the transaction that names it; the transaction is on the
disk before the call returns. So whatever is interrupted where, every voice that has been acknowledged is whole,
and all that can be left over is a file that nothing names. Several processes may share a folder.
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

from chatterbox_api_core.errors import ChatterboxError, StorageFailed
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name, could_be_name, is_voice_id
from chatterbox_api_core.voices.revisions import amended, created, replaced
from chatterbox_api_storage_local import records
from chatterbox_api_storage_local.database import transaction
from chatterbox_api_storage_local.failures import failure, gone
from chatterbox_api_storage_local.files import ClipFolder, FileOperations
from chatterbox_api_storage_local.library import Library
from chatterbox_api_storage_local.records import Record

__all__ = ["LocalStore"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_READY_S: Final = 2.0


class LocalStore:
    """See the module. Use `open`."""

    def __init__(self, library: Library, *, sweep_age_s: float) -> None:
        self._library = library
        self._clips: ClipFolder = library.clips
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
        """Open the library in a folder, made if missing; where nothing can be written, for reading.

        Args:
            sweep_age_s: how old a file that nothing names must be to be removed. More than any write takes, since
                it may be another process's.
            sweep_every_s: from one look for such files to the next; the first is now.

        Raises:
            ConfigurationError: the folder cannot serve, or its database is damaged or too new.
        """
        library = await asyncio.to_thread(Library, folder, files or FileOperations())
        store = cls(library, sweep_age_s=sweep_age_s)
        sweeping = asyncio.create_task(store._sweep_for_ever(sweep_every_s))
        try:
            await store.sweep()
            yield store
        finally:
            sweeping.cancel()
            await asyncio.wait([sweeping])
            await asyncio.to_thread(library.close)

    async def ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_S):
                await self._read(lambda connection: records.page(connection, after="", limit=1))
        except TimeoutError as error:
            raise failure(error, writing=False) from error

    async def get(self, voice_id: str) -> Voice | None:
        if not is_voice_id(voice_id):
            return None
        return _voice(await self._read(lambda connection: records.get(connection, voice_id)))

    async def get_by_name(self, name: str) -> Voice | None:
        if not could_be_name(name):
            return None
        canonical = canonical_name(name)
        return _voice(await self._read(lambda connection: records.find_by_name(connection, canonical)))

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
                voice = amended(old.voice, changes)
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
        return _voice(await self._read(records.find_default))

    async def set_default(self, voice_id: str | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                if voice_id is not None:
                    _known(connection, voice_id)
                records.set_default(connection, voice_id)

        await self._write(work)

    async def sweep(self) -> None:
        """Remove the old files that nothing names. What prevents it is logged."""

        def work(connection: sqlite3.Connection) -> None:
            old = self._clips.older_than(self._sweep_age_s)
            if old:
                with transaction(connection):  # which keeps others from naming one of them now
                    for name in set(old) - records.files(connection):
                        self._clips.discard(name)

        if self._library.writer is not None:
            try:
                await self._write(work)
            except ChatterboxError as error:
                _log.warning("left-over files were not looked for: %s", error)

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
                raise StorageFailed(
                    f"The stored clip of the voice {voice.name!r} is damaged or missing.",
                    code="voice_damaged",
                    field="voice",
                    remedy="Replace its clip.",
                )
        raise gone(voice.id)

    @contextmanager
    def _naming_clip(self, connection: sqlite3.Connection, voice_id: str, audio: VoiceAudio) -> Iterator[str]:
        """A transaction that names a new file, which lasts by then and does not stay if it fails."""
        file = self._clips.put(voice_id, audio.media_type, audio.data)
        try:
            with transaction(connection):
                self._clips.check(file)
                yield file
        except BaseException as error:
            # After a commit that met a failing disk, a restart may find it done: then the sweep decides.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_IOERR:
                self._clips.discard(file)
            raise

    async def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return await asyncio.wrap_future(self._library.readers.submit(work))
        except (OSError, sqlite3.Error) as error:
            raise failure(error, writing=False) from error

    async def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do a write to its end, or not at all; a caller who cancels it waits for that, unless it cancels again."""
        if self._library.writer is None:
            raise failure(self._library.refusal, writing=True)
        submitted = self._library.writer.submit(work)
        running = asyncio.wrap_future(submitted)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if not submitted.cancel():
                running.add_done_callback(_seen)
                await asyncio.wait([running])
            raise
        except (OSError, sqlite3.Error) as error:
            raise failure(error, writing=True) from error


def _voice(record: Record | None) -> Voice | None:
    return None if record is None else record.voice


def _known(connection: sqlite3.Connection, voice_id: str) -> Record:
    record = records.get(connection, voice_id) if is_voice_id(voice_id) else None
    if record is None:
        raise gone(voice_id)
    return record


def _seen(running: asyncio.Future[_T]) -> None:
    """Look at the failure of a write whose caller has left, so that asyncio does not report it."""
    if not running.cancelled():
        running.exception()
