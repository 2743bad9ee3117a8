"""With `fresh_s=0` each read says what was so at one moment between its call and its return.

Two servers change a few voices at random while others read; requests and answers are delayed at random. After each
write the state of the library is noted, so that each read can be looked for among the states of its time.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import pytest
from storage_r2.memory_bucket import MemoryBucket
from storage_r2.reading import AUDIO, LIBRARY_ID

from chatterbox_api_core.errors import NameTaken, NotFound
from chatterbox_api_core.types import Voice, VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.bucket import StoredObject
from chatterbox_api_storage_r2.documents import write
from chatterbox_api_storage_r2.layout import DEFAULT, LIBRARY, VOICES, Record, Versioned, parsed_record
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.reader import Freshness, Reader
from chatterbox_api_storage_r2.timeouts import Timeouts

NAMES = ("a", "b", "c")
READERS, WRITERS, CALLS = 4, 3, 40
ALWAYS_ASK = Freshness(fresh_s=0)
PATIENT = Timeouts(revalidate_s=60)


@dataclass(frozen=True)
class State:
    live: dict[str, Voice]
    default: str | None

    def get(self, voice_id: str) -> Voice | None:
        return self.live.get(voice_id)

    def find(self, name: str) -> Voice | None:
        return next((voice for voice in self.live.values() if voice.name == name), None)

    def chosen(self) -> Voice | None:
        return self.live.get(self.default or "")


class WatchedBucket(MemoryBucket):
    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice = dice
        self.states = [State({}, None)]

    async def get(self, key: str, *, if_none_match: str | None = None) -> StoredObject | None:
        await self.delay()
        try:
            return await super().get(key, if_none_match=if_none_match)
        finally:
            await self.delay()

    async def put_if_absent(self, key: str, data: bytes) -> str:
        await self.delay()
        etag = await super().put_if_absent(key, data)
        self.note(key)
        await self.delay()
        return etag

    async def put_if_match(self, key: str, data: bytes, *, etag: str) -> str:
        await self.delay()
        etag = await super().put_if_match(key, data, etag=etag)
        self.note(key)
        await self.delay()
        return etag

    async def delay(self) -> None:
        for _ in range(self.dice.randrange(12)):
            await asyncio.sleep(0)

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        await self.delay()

    def note(self, key: str) -> None:
        if not key.startswith(VOICES) and key != DEFAULT:
            return
        bodies = {key: json.loads(data) for key, (data, _) in self.objects.items() if key.startswith(VOICES)}
        records = [parsed_record(body, key=key) for key, body in bodies.items()]
        live = {record.voice.id: record.voice for record in records if record.voice is not None}
        default = self.objects.get(DEFAULT)
        self.states.append(State(live, json.loads(default[0])["voice"] if default else None))


class Run:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.bucket = WatchedBucket(self.dice)
        self.wrong: list[str] = []
        self.found = self.unfound = 0

    async def go(self) -> None:
        async with AsyncExitStack() as stack:
            await write(self.bucket, LIBRARY, {"library": LIBRARY_ID}, over=None)
            readers = []
            for _ in range(2):
                mirror = await stack.enter_async_context(Mirror.open(None))
                library = BucketLibrary(self.bucket)
                reader = Reader(
                    self.bucket, library, mirror, library_id=LIBRARY_ID, freshness=ALWAYS_ASK, timeouts=PATIENT
                )
                stack.push_async_callback(reader.close)
                readers.append((library, reader))
            for name in NAMES[:2]:
                made = voice(await readers[0][0].add(VoiceDraft(name), AUDIO))
                await readers[0][0].set_default(made.id)
            async with asyncio.TaskGroup() as group:
                for each in range(WRITERS):
                    group.create_task(self.write(*readers[each % 2]))
                for each in range(READERS):
                    group.create_task(self.read(readers[each % 2][1]))

    def ids(self) -> list[str]:
        return [voice_id for state in self.bucket.states[-6:] for voice_id in state.live]

    async def write(self, library: BucketLibrary, reader: Reader) -> None:
        for _ in range(CALLS):
            ids, name = self.ids(), self.dice.choice(NAMES)
            kind = self.dice.choice(["add", "add", "amend", "amend", "default", "remove"]) if ids else "add"
            voice_id = self.dice.choice(ids) if ids else ""
            with suppress(NameTaken, NotFound):
                if kind == "add":
                    made = await library.add(VoiceDraft(name), AUDIO)
                    await reader.wrote(voice(made).id, made)
                elif kind == "amend":
                    await reader.wrote(voice_id, await library.update(voice_id, VoiceChanges(name=name)))
                elif kind == "default":
                    await library.set_default(voice_id)
                    await reader.wrote_default(voice_id)
                else:
                    await reader.wrote(voice_id, await library.remove(voice_id))

    async def read(self, reader: Reader) -> None:
        for _ in range(CALLS * 2):
            ids, name = self.ids(), self.dice.choice(NAMES)
            voice_id = self.dice.choice(ids) if ids else ""
            kind = self.dice.choice(["get", "find", "default"])
            began = len(self.bucket.states) - 1
            if kind == "get":
                got = voice_in(await reader.get(voice_id))
            elif kind == "find":
                got = voice_in(await reader.find(name))
            else:
                got = await reader.default()
            states = self.bucket.states[began:]
            possible = [
                {"get": lambda s: s.get(voice_id), "find": lambda s: s.find(name), "default": State.chosen}[kind](state)  # noqa: B023
                for state in states
            ]
            self.found += got is not None
            self.unfound += got is None
            if got not in possible:
                self.wrong.append(f"{kind} {name} {voice_id}: {got} is none of {possible}")


@pytest.mark.parametrize("seed", range(6))
async def test_each_read_says_what_was_so_at_one_moment(seed: int) -> None:
    run = Run(seed)
    await run.go()
    assert run.wrong == []
    assert run.found
    assert run.unfound


def voice(made: Versioned) -> Voice:
    found = voice_in(made.record)
    assert found is not None
    return found


def voice_in(record: Record | None) -> Voice | None:
    return None if record is None else record.voice
