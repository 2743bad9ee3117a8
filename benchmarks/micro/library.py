"""Names, ids, pages and clips in libraries of several sizes, on the local store."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks.micro.baseline import turn
from benchmarks.micro.timing import Part, Scale
from chatterbox_api_cache_memory.clip_cache import IdleCache
from chatterbox_api_core import VoiceLibrary, VoiceResolver
from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceDraft
from chatterbox_api_core.voices import ClipCache
from chatterbox_api_core.voices.revisions import created
from chatterbox_api_storage_local import records
from chatterbox_api_storage_local.database import transaction
from chatterbox_api_storage_local.records import Record
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit.sounds import sine, wav

__all__ = ["filled", "library"]

_MAX_LINKS: Final = 30_000
"""Of one file, which file systems bound."""


@asynccontextmanager
async def library(scale: Scale, folder: Path) -> AsyncGenerator[Sequence[Part], None]:
    clip = wav(sine(300, 5, sample_rate_hz=16_000))
    async with AsyncExitStack() as stack:
        parts: list[Part] = [turn()]
        for size in scale.sizes:
            path = folder / str(size)
            voices = await filled(path, size, clip)
            store = await stack.enter_async_context(LocalStore.open(path))
            parts += await _parts_of(store, voices, f"{size:,} voices")
            parts.append(Part(f"open a library, {size:,} voices", partial(_opened, path)))
        yield parts


async def filled(folder: Path, size: int, clip: bytes) -> list[Voice]:
    """A library of voices that share one clip. Written past the store, whose every write waits for the disk."""
    audio = VoiceAudio(clip, hashlib.sha256(clip).hexdigest(), 5.0)
    async with LocalStore.open(folder) as store:
        voices = [await store.add(VoiceDraft("Voice 0", ("alias 0",)), audio)]
    source = next((folder / "audio").glob("*.wav"))
    with closing(sqlite3.connect(folder / "voices.db", isolation_level=None)) as connection, transaction(connection):
        for number in range(1, size):
            voice = created(VoiceDraft(f"Voice {number}", (f"alias {number}",)), audio)
            file = source.with_name(f"{voice.id}-{secrets.token_hex(8)}.wav")
            if number % _MAX_LINKS == 0:
                shutil.copy(source, file)
                source = file
            else:
                os.link(source, file)
            records.insert(connection, Record(voice, file.name))
            voices.append(voice)
    return voices


async def _parts_of(store: LocalStore, voices: Sequence[Voice], of: str) -> list[Part]:
    size, numbers = len(voices), count()
    reader, cache = WavReader(), IdleCache(max_bytes=2**28, idle_s=3600)
    cached = VoiceLibrary(store=store, clip_reader=reader, clips=ClipCache(cache))
    uncached = VoiceLibrary(store=store, clip_reader=reader, clips=ClipCache(_Forgetful()))
    resolver = VoiceResolver(cached)
    resolved = await resolver.resolve(voice="Voice 0")
    assert resolved.prompt is not None
    decoded = resolved.prompt.pcm
    await decoded()

    def other(call: Callable[[int], Any]) -> Callable[[], Any]:
        """Another voice with each call, far from the last."""
        return lambda: call(next(numbers) * 7919 % size)

    return [
        Part(f"a name, the same again, {of}", lambda: cached.find("VOICE 0")),
        Part(f"a name, another each time, {of}", other(lambda number: cached.find(f"VOICE {number}"))),
        Part(f"an id, another each time, {of}", other(lambda number: cached.find(voices[number].id))),
        Part(f"a page of a hundred, {of}", lambda: cached.page(limit=100)),
        Part(f"a voice resolved by an alias, {of}", other(lambda number: resolver.resolve(voice=f"alias {number}"))),
        Part(f"a clip from memory, {of}", lambda: cached.read_clip(voices[0])),
        Part(f"a clip from disk, {of}", other(lambda number: uncached.read_clip(voices[number]))),
        Part(f"a decoded clip at hand, {of}", decoded),
    ]


async def _opened(folder: Path) -> None:
    async with LocalStore.open(folder) as store:
        await store.ready()


class _Forgetful(dict[str, bytes]):
    def __setitem__(self, key: str, value: bytes) -> None:
        return
