"""What the parts of the store do together, over a bucket in memory: removed voices, other libraries, late writers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from storage_r2.memory_bucket import MemoryBucket
from storage_r2.reading import AUDIO, scene

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.types import VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.clips import Clips
from chatterbox_api_storage_r2.documents import Lost, read
from chatterbox_api_storage_r2.joining import library_in
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.records import LIBRARY, voice_key
from chatterbox_api_storage_r2.settings import _signing_region
from chatterbox_api_storage_r2.store import R2Store
from chatterbox_api_storage_r2.upkeep import sweep
from chatterbox_api_storage_r2.writes import Writes

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


async def test_a_clip_that_is_named_is_not_discarded_by_a_writer_that_has_lost_sight_of_itself() -> None:
    """So many have written since that its own nonce is not remembered; its clip is still the voice's."""
    bucket = MemoryBucket()
    library = BucketLibrary(bucket)
    added = (await library.add(VoiceDraft("Anna"), AUDIO)).record
    assert added.voice is not None
    written = library._write

    async def losing_sight(*args: object, **options: object) -> object:
        library._write = written  # type: ignore[method-assign]
        await written(*args, **options)  # type: ignore[arg-type]
        for _ in range(17):
            await library.update(added.voice.id, VoiceChanges(language="de"))  # type: ignore[union-attr]
        raise Lost(await read(bucket, voice_key(added.voice.id)))  # type: ignore[union-attr]

    library._write = losing_sight  # type: ignore[assignment, method-assign]
    with mock.patch.object(library, "discard", wraps=library.discard) as discarded:
        record = (await library.replace(added.voice.id, AUDIO))[0].record
    assert record.clip in bucket.objects
    named_then = discarded.call_args_list
    assert not named_then, "at that time the document named it"


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
    ids = await asyncio.gather(*(library_in(bucket) for _ in range(8)))
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
    writes, holding, begun = Writes(deadline_s=0.2), asyncio.Event(), []

    async def work() -> None:
        begun.append(True)
        await holding.wait()

    outcomes = await asyncio.gather(*(_code(writes.do(work, ["one"])) for _ in range(3)))
    assert len(begun) == 1
    assert sorted(outcomes) == ["storage_busy", "storage_busy", "storage_unsure"]
    await writes.close()


async def test_a_clip_that_comes_late_is_there_for_who_asks_again() -> None:
    bucket, arriving = MemoryBucket(), asyncio.Event()
    await bucket.create("clips/one", b"data")
    get = bucket.get

    async def late(key: str, *, unless: str | None = None) -> object:
        await arriving.wait()
        return await get(key, unless=unless)

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
    assert _signing_region(endpoint) == region


@asynccontextmanager
async def _joining(bucket: MemoryBucket, mirror: Mirror) -> AsyncGenerator[R2Store, None]:
    class Answering:
        def check(self) -> None: ...

    bucket.health = Answering()  # type: ignore[attr-defined]
    store = R2Store(
        bucket,  # type: ignore[arg-type]
        mirror,
        clip_wait_s=1,
        replaced_kept_s=0,
        write_deadline_s=5,
        fresh_s=0,
        stale_max_s=0,
    )
    await store._join(0.05)
    try:
        yield store
    finally:
        await store._close()


async def _code(call: object) -> str:
    try:
        await call  # type: ignore[misc]
    except Unavailable as error:
        return error.code
    return ""
