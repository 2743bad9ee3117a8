"""What the voice library costs: resolution, cache, names and pages, in libraries of several sizes.

    hatch run bench:voices [--sizes 100 10000 100000]

Fills a local store in a temporary folder and measures, in turns:

    name        a voice found by its name           page      the first hundred voices
    id          a voice found by its id             resolve   from a name to a prompt, as each request does
    hit         a clip from memory                  miss      a clip from disk, checked by its hash

Medians are in microseconds, and relative to a dictionary look-up through one event-loop turn of the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from chatterbox_api_cache_memory.clip_cache import IdleCache
from chatterbox_api_core import VoiceLibrary, VoiceResolver
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceDraft
from chatterbox_api_core.voices.clip_cache import ClipCache
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit.sounds import sine, wav

ROUNDS = 300


async def fill(store: LocalStore, size: int, audio: VoiceAudio) -> list[Voice]:
    """Many at once, because each waits for its own fsync."""
    gate = asyncio.Semaphore(32)

    async def add(number: int) -> Voice:
        async with gate:
            return await store.add(VoiceDraft(f"Voice {number}", (f"alias {number}",)), audio)

    began = time.perf_counter()
    voices = await asyncio.gather(*(add(number) for number in range(size)))
    print(f"{size} voices added in {time.perf_counter() - began:.1f} s")
    return voices


async def measure(folder: Path, size: int) -> None:
    clip = wav(sine(300, 5, sample_rate_hz=16_000))
    audio = VoiceAudio(clip, hashlib.sha256(clip).hexdigest(), 5.0)
    async with LocalStore.open(folder) as store:
        voices = await fill(store, size, audio)
        reader = InProcessClipReader()
        cached = VoiceLibrary(store=store, clip_reader=reader, clips=ClipCache(IdleCache(max_bytes=2**28, idle_s=3600)))
        uncached = VoiceLibrary(store=store, clip_reader=reader, clips=ClipCache(_Forgetful()))
        resolver = VoiceResolver(cached)
        baseline = {voice.id: voice for voice in voices}
        await cached.read_clip(voices[0])

        async def turn(number: int) -> object:
            await asyncio.sleep(0)
            return baseline[voices[number % size].id]

        work: dict[str, Callable[[int], Awaitable[object]]] = {
            "baseline": turn,
            "name": lambda number: cached.find(f"VOICE {number * 7919 % size}"),
            "id": lambda number: cached.find(voices[number * 7919 % size].id),
            "page": lambda number: cached.page(limit=100),
            "resolve": lambda number: resolver.resolve(voice=f"alias {number * 7919 % size}"),
            "hit": lambda number: cached.read_clip(voices[0]),
            "miss": lambda number: uncached.read_clip(voices[number * 7919 % size]),
        }
        taken: dict[str, list[float]] = {name: [] for name in work}
        for number in range(ROUNDS):
            for name, call in work.items():
                began = time.perf_counter()
                await call(number)
                taken[name].append((time.perf_counter() - began) * 1e6)
        base = statistics.median(taken["baseline"])
        for name, values in taken.items():
            median = statistics.median(values)
            print(f"{size:7} voices  {name:9} {median:9.1f} us   {median / base:8.1f} x")


class _Forgetful(dict[str, bytes]):
    def __setitem__(self, key: str, value: bytes) -> None:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 100_000])
    for size in parser.parse_args().sizes:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(Path(folder), size))


if __name__ == "__main__":
    main()
