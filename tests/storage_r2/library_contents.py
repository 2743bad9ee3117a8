"""What lies in the bucket, looked at past the store: whole, and with nothing left over."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from support.r2_stores import connection_to
from support.s3_servers import S3Server

from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.revisions import canonical_names
from chatterbox_api_storage_r2.documents import read
from chatterbox_api_storage_r2.layout import CLIPS, VOICES, claim_key, parsed_record
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.sweep import sweep

__all__ = ["Contents", "contents_of", "sweep_all"]

_T = TypeVar("_T")
_ALL: Final = timedelta(seconds=-5)
"""Less than no age, for some servers tell the times of objects in whole seconds."""


@dataclass(frozen=True)
class Contents:
    """The documents of living voices and all clips."""

    voices: dict[str, Voice]
    clip_of: dict[str, str]
    clips: frozenset[str]

    @property
    def left_over(self) -> frozenset[str]:
        """The clips that no living voice has."""
        return self.clips - set(self.clip_of.values())


async def contents_of(server: S3Server, prefix: str) -> Contents:
    """AssertionError unless each living voice has its clip and its claims."""
    async with ObstoreBucket.open(connection_to(server, prefix=prefix)) as bucket:
        clips = frozenset(await _keys(bucket, CLIPS))
        documents = await _each(_read(bucket, key) for key in await _keys(bucket, VOICES))
        voices = {voice.id: voice for voice, _ in documents if voice is not None}
        clip_of = {voice.id: clip for voice, clip in documents if voice is not None}
        assert set(clip_of.values()) <= clips, "a voice without its clip"
        await _each(_check_whole(bucket, voice, clip_of[voice.id]) for voice in voices.values())
        return Contents(voices, clip_of, clips)


async def sweep_all(server: S3Server, prefix: str) -> int:
    """Sweep as if everything were old; how much went."""
    async with ObstoreBucket.open(connection_to(server, prefix=prefix)) as bucket, Mirror.open(None) as mirror:
        library = BucketLibrary(bucket)
        return await sweep(bucket, library, mirror, age=_ALL, at_most_every=timedelta(0))


async def _check_whole(bucket: ObstoreBucket, voice: Voice, clip: str) -> None:
    stored = await bucket.get(clip)
    assert stored is not None
    assert hashlib.sha256(stored.data).hexdigest() == voice.sha256
    for name in canonical_names(voice):
        claim = await read(bucket, claim_key(name))
        assert claim is not None, f"{name!r} of {voice} is not claimed"
        assert claim.body["voice"] == voice.id, f"{name!r} of {voice} is claimed for {claim.body['voice']}"


async def _read(bucket: ObstoreBucket, key: str) -> tuple[Voice | None, str]:
    document = await read(bucket, key)
    assert document is not None
    record = parsed_record(document.body, key=key)
    return record.voice, record.clip


async def _keys(bucket: ObstoreBucket, prefix: str) -> Iterable[str]:
    return [listed.key async for page in bucket.list(prefix) for listed in page]


async def _each(work: Iterable[Awaitable[_T]]) -> list[_T]:
    """The results; a few at a time, so that no server is too slow for the last of them."""
    turns = asyncio.Semaphore(8)

    async def in_turn(each: Awaitable[_T]) -> _T:
        async with turns:
            return await each

    return await asyncio.gather(*(in_turn(each) for each in work))
