"""The contract of VoiceStore for concurrent callers and for callers that are cancelled."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from chatterbox_api_core.errors import NameTaken, NotFound
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_testkit.contract import Contract

__all__ = ["VoiceStoreConcurrency", "clip", "in_order"]

DELAYS_S = (0.0, 0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)


def clip(seed: int, *, size_bytes: int = 1000) -> VoiceAudio:
    """A clip of 1.5 s by its declaration, whose bytes differ for each seed. The bytes are no recording."""
    data = random.Random(seed).randbytes(size_bytes)  # noqa: S311 — nothing secret
    return VoiceAudio(data, hashlib.sha256(data).hexdigest(), 1.5)


def in_order(*voices: Voice) -> tuple[Voice, ...]:
    """Voices in the order of `list`, by id. The order of ids of one millisecond is random."""
    return tuple(sorted(voices, key=lambda voice: voice.id))


@pytest.mark.asyncio
class VoiceStoreConcurrency(Contract):
    """The part of VoiceStoreContract about concurrency; inherit VoiceStoreContract instead."""

    def open(self) -> AbstractAsyncContextManager[VoiceStore]:
        """Open the store. It must be empty at the first call within a test."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def store(self) -> AsyncGenerator[VoiceStore, None]:
        """The store of one test, empty."""
        async with self.open() as store:
            yield store

    async def test_of_many_concurrent_claims_of_a_name_one_succeeds(self, store: VoiceStore) -> None:
        for size in (2, 8):
            name = f"Anna {size}"
            drafts = [VoiceDraft(name) if i % 2 else VoiceDraft(f"v{size}-{i}", (name,)) for i in range(size)]
            outcomes = await asyncio.gather(
                *(store.add(draft, clip(i)) for i, draft in enumerate(drafts)), return_exceptions=True
            )
            (winner,) = [each for each in outcomes if isinstance(each, Voice)]
            assert all(isinstance(each, NameTaken) for each in outcomes if each is not winner)
            assert await store.get_by_name(name) == winner
            assert winner in await store.list()
        assert len(await store.list()) == 2

    async def test_of_two_concurrent_renames_to_one_name_one_succeeds(self, store: VoiceStore) -> None:
        anna, bert = [await store.add(VoiceDraft(name), clip(1)) for name in ("Anna", "Bert")]
        outcomes = await asyncio.gather(
            *(store.update(each.id, VoiceChanges(name="Clara")) for each in (anna, bert)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["NameTaken", "Voice"]
        names = {voice.name for voice in await store.list()}
        assert names in ({"Clara", "Bert"}, {"Anna", "Clara"})

    async def test_writers_of_one_voice_do_not_lose_each_others_changes(self, store: VoiceStore) -> None:
        anna = await store.add(VoiceDraft("Anna"), clip(0))
        await asyncio.gather(
            *(store.update(anna.id, VoiceChanges(add_aliases=(f"alias {i}",))) for i in range(8)),
            *(store.replace(anna.id, clip(i)) for i in range(1, 5)),
            store.update(anna.id, VoiceChanges(language="de")),
            store.update(anna.id, VoiceChanges(consent="yes")),
            store.set_default(anna.id),
        )
        found = await store.get(anna.id)
        assert found is not None
        assert sorted(found.aliases) == [f"alias {i}" for i in range(8)]
        assert (found.language, found.consent, found.revision) == ("de", "yes", 15)
        assert await store.read_clip(found) in [clip(i).data for i in range(1, 5)]
        assert hashlib.sha256(await store.read_clip(found)).hexdigest() == found.sha256

    async def test_a_reader_gets_the_clip_it_asked_for_or_not_found(self, store: VoiceStore) -> None:
        """While the clip is replaced again and again."""
        anna = await store.add(VoiceDraft("Anna"), clip(0, size_bytes=50_000))
        read = 0

        async def look() -> None:
            nonlocal read
            while not writing.done():
                voice = await store.get(anna.id)
                assert voice is not None
                try:
                    assert hashlib.sha256(await store.read_clip(voice)).hexdigest() == voice.sha256
                except NotFound:
                    assert await store.get(anna.id) != voice
                else:
                    read += 1
                await asyncio.sleep(0)

        async def write() -> None:
            for i in range(1, 30):
                await store.replace(anna.id, clip(i, size_bytes=50_000 + i))
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, *(look() for _ in range(4)))
        assert read > 0

    async def test_concurrent_reads_return_what_each_asked_for(self, store: VoiceStore) -> None:
        voices = [await store.add(VoiceDraft(f"v{i}"), clip(i, size_bytes=10_000)) for i in range(10)]
        clips = await asyncio.gather(*(store.read_clip(voices[i % 10]) for i in range(200)))
        assert all(data == clip(i % 10, size_bytes=10_000).data for i, data in enumerate(clips))
        assert await asyncio.gather(*(store.get_by_name(f"V{i % 10}") for i in range(200))) == voices * 20

    async def test_calls_do_not_block_the_event_loop(self, store: VoiceStore) -> None:
        loop = asyncio.get_running_loop()
        audio = clip(1, size_bytes=5_000_000)
        gaps_s: list[float] = []

        async def watch() -> None:
            while True:
                began_s = loop.time()
                await asyncio.sleep(0.001)
                gaps_s.append(loop.time() - began_s)

        watching = asyncio.create_task(watch())
        for i in range(5):
            voice = await store.add(VoiceDraft(f"v{i}"), audio)
            await store.read_clip(voice)
            await asyncio.sleep(0.002)
        watching.cancel()
        await asyncio.wait([watching])
        assert sorted(gaps_s)[-3] < 0.25, "more than a stutter of the machine"

    @pytest.mark.parametrize("delay_s", DELAYS_S, ids=[f"{i}-{each}" for i, each in enumerate(DELAYS_S)])
    async def test_a_cancelled_write_is_done_or_not_done(self, store: VoiceStore, delay_s: float) -> None:
        """When a cancelled call has ended, nothing changes later, and the store still works."""
        size_bytes = 300_000
        kept = await store.add(VoiceDraft("Kept", ("Alias",)), clip(1, size_bytes=size_bytes))
        doomed = await store.add(VoiceDraft("Doomed"), clip(2))
        new = clip(3, size_bytes=size_bytes)
        tasks = [
            asyncio.create_task(each)
            for each in (
                store.add(VoiceDraft("New", ("Newer",)), new),
                store.replace(kept.id, new),
                store.update(kept.id, VoiceChanges(name="Other", add_aliases=("More",), remove_aliases=("Alias",))),
                store.remove(doomed.id),
            )
        ]
        await asyncio.sleep(delay_s)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        voices = await store.list()
        for voice in voices:
            for name in (voice.name, *voice.aliases):
                assert await store.get_by_name(name) == voice
            assert await store.read_clip(voice) in (clip(1, size_bytes=size_bytes).data, clip(2).data, new.data)
        found = await store.get(kept.id)
        assert found is not None
        assert (found.name, found.aliases) in (("Kept", ("Alias",)), ("Other", ("More",)))
        unused = {"Kept", "Alias", "Other", "More", "New", "Newer", "Doomed"}
        unused -= {name for voice in voices for name in (voice.name, *voice.aliases)}
        for name in sorted(unused):
            assert await store.get_by_name(name) is None
            await store.add(VoiceDraft(name), clip(4))
        assert await store.list(limit=len(voices)) == voices
