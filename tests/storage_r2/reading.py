"""Voices, a clock and a bucket for the tests of what reads the library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage_r2.memory_bucket import MemoryBucket, etag_of

from chatterbox_api_core.types import Voice, VoiceAudio, VoiceDraft
from chatterbox_api_core.voices.names import new_voice_id
from chatterbox_api_storage_r2.bucket import StoredObject
from chatterbox_api_storage_r2.circuit_breaker import CircuitBreaker
from chatterbox_api_storage_r2.documents import write
from chatterbox_api_storage_r2.layout import LIBRARY, Record, Versioned, voice_key
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.reader import Reader
from chatterbox_api_storage_r2.timeouts import DEFAULT_TIMEOUTS, Timeouts

__all__ = ["AUDIO", "LIBRARY_ID", "Clock", "Scene", "SlowBucket", "a_voice", "body_of", "key_of", "scene", "versioned"]

LIBRARY_ID = "library-1"
AUDIO = VoiceAudio(b"clip", "00" * 32, 1.0)


class Clock:
    """Seconds, as it is told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class SlowBucket(MemoryBucket):
    """Answers reads when it is let.

    Attributes:
        hold: while this is an event that is not set, what has been read waits for it before it is answered.
        keys: what was read, in order.
        at_once, most_at_once: how many reads are under way, and the most that ever were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hold: asyncio.Event | None = None
        self.keys: list[str] = []
        self.at_once = self.most_at_once = 0

    async def get(self, key: str, *, if_none_match: str | None = None) -> StoredObject | None:
        self.keys.append(key)
        hold = self.hold
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            found = None
            raised: Exception | None = None
            try:
                found = await super().get(key, if_none_match=if_none_match)
            except Exception as error:
                raised = error
            await asyncio.sleep(0)
            if hold is not None:
                await hold.wait()
            if raised is not None:
                raise raised
            return found
        finally:
            self.at_once -= 1

    async def asked(self, count: int) -> None:
        """Wait until so many reads have been sent."""
        async with asyncio.timeout(30):
            while len(self.keys) < count:
                await asyncio.sleep(0.001)

    def put(self, key: str, body: dict[str, Any]) -> str:
        """Write past the protocol, as a hand or a backup would; its ETag."""
        data = json.dumps({"schema": 1, "nonce": "n", "earlier": [], **body}).encode()
        self.objects[key] = (data, datetime.now(UTC))
        return etag_of(data)


@dataclass
class Scene:
    """A reader over a bucket that another server writes to."""

    bucket: SlowBucket
    other: BucketLibrary
    mirror: Mirror
    reader: Reader
    clock: Clock
    requests: Callable[[], int] = field(init=False)

    def __post_init__(self) -> None:
        self.requests = lambda: self.bucket.requests["get"] + self.bucket.requests["list"]

    async def add(self, name: str, *aliases: str) -> Voice:
        """A voice that another server has made."""
        voice = (await self.other.add(VoiceDraft(name, aliases), AUDIO)).record.voice
        assert voice is not None
        self.forget_requests()
        return voice

    async def known(self, name: str, *aliases: str) -> Voice:
        """A voice that this server has just read."""
        voice = await self.add(name, *aliases)
        assert await self.reader.get(voice.id)
        self.forget_requests()
        return voice

    def forget_requests(self) -> None:
        self.bucket.requests.clear()
        self.bucket.keys.clear()


@asynccontextmanager
async def scene(
    path: Path | None = None,
    *,
    bucket: SlowBucket | None = None,
    revalidate_s: float = 30.0,
    page_s: float = DEFAULT_TIMEOUTS.page_s,
) -> AsyncGenerator[Scene, None]:
    """A scene whose clock stands still. The limits are in real time, so that no test waits for them by chance."""
    bucket = bucket or SlowBucket()
    if LIBRARY not in bucket.objects:
        await write(bucket, LIBRARY, {"library": LIBRARY_ID}, over=None)
    other, clock = BucketLibrary(bucket), Clock()
    bucket.breaker = CircuitBreaker(clock=clock)
    timeouts = Timeouts(revalidate_s=revalidate_s, page_s=page_s)
    async with Mirror.open(path) as mirror:
        await mirror.begin(LIBRARY_ID)
        reader = Reader(bucket, other, mirror, library_id=LIBRARY_ID, timeouts=timeouts, clock=clock)
        made = Scene(bucket, other, mirror, reader, clock)
        made.forget_requests()
        try:
            yield made
        finally:
            if bucket.hold is not None:
                bucket.hold.set()
            await reader.close()


def a_voice(name: str = "Anna", *aliases: str, voice_id: str | None = None) -> Voice:
    now = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    draft = Voice(new_voice_id(), name, aliases, "ab" * 32, 4, 1.5, "audio/wav", "", None, now, now, 1)
    return draft if voice_id is None else replace(draft, id=voice_id)


def versioned(version: int, voice: Voice | None, etag: str = "") -> Versioned:
    return Versioned(Record(version, voice, "clips/x" if voice else ""), etag or f'"{version}"')


def body_of(version: int, voice: Voice) -> dict[str, Any]:
    return dict(Record(version, voice, "clips/x").body)


def key_of(voice: Voice) -> str:
    return voice_key(voice.id)
