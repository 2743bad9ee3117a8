"""Voices in a folder: each clip a file under its hash, and all else in `voices.json`.

One thread makes all changes, one after the other. Each is worked out on a copy, written beside the old file, put in
its place, and only then seen: a crash at any moment leaves the old state or the new. One process owns a folder.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from chatterbox_api_core.aio import run_to_completion
from chatterbox_api_core.errors import ConfigurationError, StorageFailed, Unavailable
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name
from chatterbox_api_core.voices.revisions import created, replaced, updated
from chatterbox_api_core.voices.store_errors import name_taken, voice_damaged, voice_gone

__all__ = ["FolderStore"]


class FolderStore:
    """A VoiceStore."""

    def __init__(self, folder: Path, library: _Library, writer: ThreadPoolExecutor) -> None:
        self._folder, self._library, self._writer = folder, library, writer

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path) -> AsyncGenerator[FolderStore, None]:
        library = await asyncio.to_thread(_load, folder)
        writer = ThreadPoolExecutor(1, "acme-store")
        try:
            yield cls(folder, library, writer)
        finally:
            await asyncio.to_thread(writer.shutdown)

    async def ready(self) -> None:
        if not await asyncio.to_thread(self._folder.is_dir):
            raise Unavailable("The folder of the voices is gone.")

    async def get(self, voice_id: str) -> Voice | None:
        return self._library.voices.get(voice_id)

    async def get_by_name(self, name: str) -> Voice | None:
        owner = self._library.owners.get(canonical_name(name))
        return None if owner is None else self._library.voices[owner]

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        voices = self._library.voices.values()
        return tuple(islice((voice for voice in voices if after is None or voice.id > after), limit))

    async def read_clip(self, voice: Voice) -> bytes:
        self._library.same(voice)
        try:
            return await asyncio.to_thread(self._clip(voice.sha256).read_bytes)
        except OSError as error:
            self._library.same(voice)
            raise voice_damaged(voice) from error

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        voice = created(draft, audio)
        return (await self._change(lambda library: library.having(voice), audio)).voices[voice.id]

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        def change(library: _Library) -> _Library:
            return library.having(replaced(library.known(voice_id), audio))

        return (await self._change(change, audio)).voices[voice_id]

    async def update(self, voice_id: str, changes: VoiceChanges) -> Voice:
        def change(library: _Library) -> _Library:
            return library.having(updated(library.known(voice_id), changes))

        return (await self._change(change)).voices[voice_id]

    async def remove(self, voice_id: str) -> None:
        await self._change(lambda library: library.without(library.known(voice_id)))

    async def default(self) -> Voice | None:
        library = self._library
        return None if library.default is None else library.voices[library.default]

    async def set_default(self, voice_id: str | None) -> None:
        def change(library: _Library) -> _Library:
            return _Library(library.voices.values(), None if voice_id is None else library.known(voice_id).id)

        await self._change(change)

    async def _change(self, change: Callable[[_Library], _Library], audio: VoiceAudio | None = None) -> _Library:
        """What a thread has begun cannot be called back: whoever is cancelled leaves when it is done."""
        running = asyncio.get_running_loop().run_in_executor(self._writer, self._commit, change, audio)
        return await run_to_completion(running)

    def _commit(self, change: Callable[[_Library], _Library], audio: VoiceAudio | None) -> _Library:
        before, after = self._library, change(self._library)
        kept = before
        try:
            if audio is not None:
                _write(self._clip(audio.sha256), audio.data)
            _write(self._folder / "voices.json", after.to_json())
            self._library = kept = after
        except OSError as error:
            raise StorageFailed("The folder of the voices takes no more.") from error
        finally:
            for sha256 in {*before.hashes(), *after.hashes()} - kept.hashes():
                with suppress(OSError):  # what stays is an unused file
                    self._clip(sha256).unlink()
        return after

    def _clip(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.clip"


class _Library:
    """All voices at one moment, in order of id. To make one is to check it: NameTaken.

    Attributes:
        owners: canonical names and aliases, and the ids of those who answer to them.
    """

    def __init__(self, voices: Iterable[Voice] = (), default: str | None = None) -> None:
        self.voices = {voice.id: voice for voice in sorted(voices, key=lambda voice: voice.id)}
        self.default = default if default in self.voices else None
        self.owners: dict[str, str] = {}
        for voice in self.voices.values():
            for name in (voice.name, *voice.aliases):
                if self.owners.setdefault(canonical_name(name), voice.id) != voice.id:
                    raise name_taken(name, wanted_by=voice)

    def having(self, voice: Voice) -> _Library:
        return _Library({**self.voices, voice.id: voice}.values(), self.default)

    def without(self, voice: Voice) -> _Library:
        return _Library((other for other in self.voices.values() if other.id != voice.id), self.default)

    def known(self, voice_id: str) -> Voice:
        if voice_id not in self.voices:
            raise voice_gone(voice_id)
        return self.voices[voice_id]

    def same(self, voice: Voice) -> None:
        """Raise NotFound unless the voice has still this clip."""
        if self.known(voice.id).sha256 != voice.sha256:
            raise voice_gone(voice.id)

    def hashes(self) -> set[str]:
        return {voice.sha256 for voice in self.voices.values()}

    def to_json(self) -> bytes:
        voices = [asdict(voice) for voice in self.voices.values()]
        text = json.dumps({"default": self.default, "voices": voices}, default=datetime.isoformat, indent=1)
        return text.encode()


def _load(folder: Path) -> _Library:
    path = folder / "voices.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return _Library()
        found = json.loads(path.read_bytes())
        return _Library(map(_voice, found["voices"]), found["default"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error!r}.", field="ACME_FOLDER") from error


def _voice(found: dict[str, Any]) -> Voice:
    times = {name: datetime.fromisoformat(found[name]) for name in ("created_at", "updated_at")}
    return Voice(**{**found, "aliases": tuple(found["aliases"]), **times})


def _write(path: Path, data: bytes) -> None:
    """Put a file in place as a whole, safe from a loss of power where the system keeps its word."""
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
