"""What the parts of the store do together, over a bucket in memory: removed voices, other libraries, late writers."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from storage_r2.memory_bucket import MemoryBucket
from storage_r2.reading import AUDIO, scene

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.types import VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.bucket import OutcomeUnknown
from chatterbox_api_storage_r2.clips import Clips
from chatterbox_api_storage_r2.endpoints import signing_region
from chatterbox_api_storage_r2.layout import LIBRARY, voice_key
from chatterbox_api_storage_r2.library_identity import read_or_create_identity
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.reader import Freshness
from chatterbox_api_storage_r2.store import R2Store
from chatterbox_api_storage_r2.sweep import sweep
from chatterbox_api_storage_r2.timeouts import Timeouts
from chatterbox_api_storage_r2.writes import WriteCoordinator

NOW = timedelta(0)


async def test_a_voice_that_was_removed_swept_and_fenced_does_not_come_back() -> None:
    """A tombstone that a fence leaves where another was swept has a lower version than what a mirror remembers."""
    async with scene() as here:
        anna = await here.known("Anna")
        elsewhere = BucketLibrary(here.bucket)
        await here.reader.wrote(anna.id, await elsewhere.update(anna.id, VoiceChanges(language="de")))
        await elsewhere.remove(anna.id)
        here.bucket.objects.pop(voice_key(anna.id))  # as the sweep does
        new = (await elsewhere.add(VoiceDraft("Anna"), AUDIO)).record.voice
        assert new is not None
        assert voice_key(anna.id) in here.bucket.objects, "there is the fence"
        here.clock.now += 3600
        assert await here.reader.get(anna.id) is None
        found = await here.reader.find("anna")
        assert found is not None
        assert found.voice == new
        assert await here.reader.page(None, 10) == (new,)


async def test_a_clip_that_is_named_is_not_discarded_by_a_writer_whose_nonce_is_forgotten() -> None:
    """So many have written since that the document does not remember it; the clip is still the voice's."""
    replacing = False

    class Forgetting(MemoryBucket):
        async def put_if_match(self, key: str, data: bytes, *, etag: str) -> str:
            nonlocal replacing
            written = await super().put_if_match(key, data, etag=etag)
            if replacing:
                replacing = False
                for _ in range(17):
                    await BucketLibrary(self).update(anna.id, VoiceChanges(language="de"))
                raise OutcomeUnknown("no answer")
            return written

    bucket = Forgetting()
    added = (await BucketLibrary(bucket).add(VoiceDraft("Anna"), AUDIO)).record
    assert added.voice is not None
    anna = added.voice
    replacing = True
    replaced, superseded = await BucketLibrary(bucket).replace(anna.id, AUDIO)
    assert replaced.record.clip in bucket.objects
    assert superseded != added.clip, "it was replaced twice, by the same writer"
    assert bucket.requests["delete"] == 0, "the document named the first of the two when its writer gave up on it"


async def test_one_damaged_document_does_not_keep_the_rest_from_being_swept() -> None:
    bucket = MemoryBucket()
    library = BucketLibrary(bucket)
    ids = []
    for name in ("Anna", "Bert", "Clara"):
        record = (await library.add(VoiceDraft(name), AUDIO)).record
        assert record.voice is not None
        ids.append(record.voice.id)
        bucket.objects[f"clips/{record.voice.id}/{'0' * 32}"] = (b"left over", datetime.now(UTC))
    bucket.objects[voice_key(sorted(ids)[0])] = (b"{", datetime.now(UTC))
    async with Mirror.open(None) as mirror:
        assert await sweep(bucket, library, mirror, age=NOW - timedelta(1), at_most_every=NOW) == 2


async def test_which_library_is_in_the_bucket_is_agreed_on() -> None:
    bucket = MemoryBucket()
    ids = await asyncio.gather(*(read_or_create_identity(bucket) for _ in range(8)))
    assert len(set(ids)) == 1
    assert LIBRARY in bucket.objects


async def test_a_store_that_finds_another_library_goes_by_that_one(tmp_path: Path) -> None:
    """Also when another process has told their mirror of it before."""
    bucket = MemoryBucket()
    async with Mirror.open(tmp_path / "mirror.db") as mirror:
        await mirror.begin("the library before")
        bucket.down = True
        async with _joining(bucket, mirror) as one, _joining(bucket, mirror) as two:
            for store in (one, two):
                assert await _code(store.ready()) == "storage_unreachable"
            bucket.down = False
            await asyncio.sleep(0.3)
            for store in (one, two):
                await store.ready()
                added = await store.add(VoiceDraft(f"Anna {id(store)}"), AUDIO)
                assert added in await store.list()


async def test_a_write_whose_turn_never_came_was_not_begun() -> None:
    writes, holding, begun = WriteCoordinator(Timeouts(write_deadline_s=0.2)), asyncio.Event(), []

    async def work() -> None:
        begun.append(True)
        await holding.wait()

    outcomes = await asyncio.gather(*(_code(writes.run(work, ["one"])) for _ in range(3)))
    assert len(begun) == 1
    assert sorted(outcomes) == ["storage_busy", "storage_busy", "storage_unsure"]
    await writes.close()


async def test_a_clip_that_comes_late_is_there_for_who_asks_again() -> None:
    bucket, arriving = MemoryBucket(), asyncio.Event()
    await bucket.put_if_absent("clips/one", b"data")
    get = bucket.get

    async def late(key: str, *, if_none_match: str | None = None) -> object:
        await arriving.wait()
        return await get(key, if_none_match=if_none_match)

    clips = Clips(bucket, wait_s=0.05)
    digest = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"
    with mock.patch.object(bucket, "get", late):
        assert await _code(clips.read("clips/one", sha256=digest)) == "storage_slow"
        arriving.set()
        await asyncio.sleep(0.05)
        assert await clips.read("clips/one", sha256=digest) == b"data"
    assert bucket.requests["get"] == 1
    await clips.close()


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://0123.eu.r2.cloudflarestorage.com", "auto"),
        ("https://s3.eu-central-1.amazonaws.com", "eu-central-1"),
        ("https://s3.dualstack.us-west-2.amazonaws.com", "us-west-2"),
        ("https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        ("http://127.0.0.1:9000", "us-east-1"),
        ("https://s3.example.com", "us-east-1"),
    ],
)
def test_requests_are_signed_for_the_region_of_the_address(endpoint: str, region: str) -> None:
    assert signing_region(endpoint) == region


def _joining(bucket: MemoryBucket, mirror: Mirror) -> AbstractAsyncContextManager[R2Store]:
    freshness = Freshness(fresh_s=0, stale_max_s=0)
    return R2Store.open_on(bucket, mirror, freshness=freshness, retry_join_every_s=0.05)


async def _code(call: object) -> str:
    try:
        await call  # type: ignore[misc]
    except Unavailable as error:
        return error.code
    return ""
