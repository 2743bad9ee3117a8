"""A bucket that was emptied or exchanged is not written to, and one whose server ignores conditions is not used."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from storage_r2.memory_bucket import MemoryBucket, etag_of
from storage_r2.reading import AUDIO
from support.r2_stores import connection_to, new_prefix, open_store
from support.s3_faults import FaultProxy, Request
from support.s3_servers import S3Server

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, StorageFailed, Unavailable
from chatterbox_api_core.types import VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.bucket import OutcomeUnknown
from chatterbox_api_storage_r2.documents import write
from chatterbox_api_storage_r2.layout import LIBRARY
from chatterbox_api_storage_r2.library_identity import read_or_create_identity
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.readiness import Readiness
from chatterbox_api_storage_r2.server_checks import check_conditions
from chatterbox_api_storage_r2.store import R2Store

WRITES: Mapping[str, Callable[[R2Store, str], Awaitable[Any]]] = {
    "add": lambda store, _: store.add(VoiceDraft("new"), AUDIO),
    "rename": lambda store, anna: store.update(anna, VoiceChanges(name="new")),
    "alias": lambda store, anna: store.update(anna, VoiceChanges(add_aliases=("new",))),
    "replace": lambda store, anna: store.replace(anna, AUDIO),
    "default": lambda store, anna: store.set_default(anna),
    "no default": lambda store, _: store.set_default(None),
    "remove": lambda store, anna: store.remove(anna),
}


async def objects(server: S3Server, prefix: str) -> dict[str, bytes]:
    async with ObstoreBucket.open(connection_to(server, prefix=prefix)) as bucket:
        keys = [listed.key async for page in bucket.list("") for listed in page]
        found = [(key, await bucket.get(key)) for key in keys]
    return {key: stored.data for key, stored in found if stored is not None}


async def fill(server: S3Server, prefix: str, contents: Mapping[str, bytes]) -> None:
    """Leave these objects and no others, as somebody with the key can."""
    async with ObstoreBucket.open(connection_to(server, prefix=prefix)) as bucket:
        async for page in bucket.list(""):
            for listed in page:
                await bucket.delete(listed.key)
        for key, data in contents.items():
            await bucket.put_if_absent(key, data)


async def a_library(server: S3Server, *names: str, mirror_path: Path | None = None) -> str:
    prefix = new_prefix()
    async with open_store(server, prefix=prefix, mirror_path=mirror_path) as store:
        for name in names:
            await store.add(VoiceDraft(name), AUDIO)
    return prefix


async def refusal(call: Awaitable[Any]) -> ChatterboxError:
    with pytest.raises(ChatterboxError) as refused:
        await call
    return refused.value


@pytest.mark.parametrize(("other", "says"), [((), "no library any more"), (("dora",), "another library")])
async def test_no_write_goes_into_a_bucket_that_was_emptied_or_exchanged(
    s3_server: S3Server, other: tuple[str, ...], says: str
) -> None:
    """Not even the first after that, a moment later; and all is well when the library is brought back."""
    contents = await objects(s3_server, await a_library(s3_server, *other)) if other else {}
    prefix = new_prefix()
    async with open_store(s3_server, prefix=prefix, fresh_s=0) as store:
        anna = await store.add(VoiceDraft("anna"), AUDIO)
        ours = await objects(s3_server, prefix)
        await store.ready()
        await fill(s3_server, prefix, contents)
        for name, call in WRITES.items():
            error = await refusal(call(store, anna.id))
            assert error.code == "storage_bucket_changed", name
            assert says in error.message
            told = await refusal(store.ready())
            assert (type(told), told.code, told.message) == (Unavailable, error.code, error.message)
        assert await objects(s3_server, prefix) == contents
        assert await store.list() == (anna,), "what was last known speaks on"
        await fill(s3_server, prefix, ours)
        await ready_again(store)
        await store.add(VoiceDraft("bert"), AUDIO)


async def ready_again(store: R2Store) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.ready()
            except Unavailable:
                await asyncio.sleep(0.1)


async def test_a_start_does_not_begin_a_new_library_where_voices_were(s3_server: S3Server, tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    prefix = await a_library(s3_server, "anna", mirror_path=path)
    ours = await objects(s3_server, prefix)
    await fill(s3_server, prefix, {})
    for _ in range(2):
        with pytest.raises(ConfigurationError) as stopped:
            async with open_store(s3_server, prefix=prefix, mirror_path=path):
                pass
        assert stopped.value.code == "storage_bucket_changed"
        assert str(path) in str(stopped.value)
        assert await objects(s3_server, prefix) == {}
    await fill(s3_server, prefix, ours)
    async with open_store(s3_server, prefix=prefix, mirror_path=path) as store:
        assert [voice.name for voice in await store.list()] == ["anna"]
    await fill(s3_server, prefix, {})
    path.unlink()
    async with open_store(s3_server, prefix=prefix, mirror_path=path) as store:
        assert await store.list() == ()
        await store.add(VoiceDraft("bert"), AUDIO)


async def test_a_start_uses_what_it_can_lose_nothing_by(s3_server: S3Server, tmp_path: Path) -> None:
    """A bucket without a voice before; a library whose `library.json` alone was removed; one that is another's."""
    path = tmp_path / "mirror.db"
    prefix = await a_library(s3_server, mirror_path=path)
    await fill(s3_server, prefix, {})
    async with open_store(s3_server, prefix=prefix, mirror_path=path) as store:
        await store.add(VoiceDraft("anna"), AUDIO)
    contents = await objects(s3_server, prefix)
    await fill(s3_server, prefix, {key: data for key, data in contents.items() if key != LIBRARY})
    async with open_store(s3_server, prefix=prefix, mirror_path=path) as store:
        assert [voice.name for voice in await store.list()] == ["anna"]
    await fill(s3_server, prefix, await objects(s3_server, await a_library(s3_server, "dora")))
    async with open_store(s3_server, prefix=prefix, mirror_path=path) as store:
        assert [voice.name for voice in await store.list()] == ["dora"]


async def test_nothing_is_written_where_lists_are_refused(s3_server: S3Server) -> None:
    """As below an address that has the bucket's name in it once too often."""
    prefix = new_prefix()
    with FaultProxy(s3_server.url) as proxy:
        proxy.fail("404 NoSuchKey", when=lambda request: "list-type" in request.target)
        with pytest.raises(ConfigurationError):
            async with open_store(s3_server, prefix=prefix, url=proxy.url):
                pass
        assert proxy.requests["PUT"] == 0
    assert await objects(s3_server, prefix) == {}


async def test_an_address_with_a_folder_that_is_no_gateway_stops_the_start(moto_server: S3Server) -> None:
    """moto takes the first part of the path for the bucket, as S3 does."""
    url = f"{moto_server.url}/{moto_server.bucket}"
    with pytest.raises(ConfigurationError) as stopped:
        async with open_store(moto_server, prefix=new_prefix(), url=url):
            pass
    assert "takes a list of the bucket voices for an object" in stopped.value.message


@pytest.mark.parametrize("ignored", ["If-None-Match", "If-Match"])
async def test_a_server_that_ignores_conditions_stops_the_start(moto_server: S3Server, ignored: str) -> None:
    class Ignoring(FaultProxy):
        async def _forward(self, request: Request) -> bytes:
            lines = request.head.split(b"\r\n")
            kept = [line for line in lines if not line.lower().startswith(f"{ignored.lower()}:".encode())]
            return await super()._forward(Request(request.method, request.target, b"\r\n".join(kept), request.body))

    prefix = await a_library(moto_server, "anna")
    before = await objects(moto_server, prefix)
    with Ignoring(moto_server.url) as proxy:
        with pytest.raises(ConfigurationError) as stopped:
            async with open_store(moto_server, prefix=prefix, url=proxy.url):
                pass
    assert stopped.value.code == "storage_unsafe"
    assert f"ignores {ignored}" in stopped.value.message
    assert await objects(moto_server, prefix) == before, "the probe changes nothing"


async def test_the_probe_of_conditions_passes_where_they_are_kept_and_asks_nothing_where_nothing_is() -> None:
    bucket = MemoryBucket()
    await check_conditions(bucket)
    assert bucket.requests.total() == 1
    await read_or_create_identity(bucket)
    await check_conditions(bucket)


async def test_a_start_whose_write_has_an_unknown_outcome_finds_its_library_later() -> None:
    class Answering(MemoryBucket):
        async def put_if_absent(self, key: str, data: bytes) -> str:
            raise OutcomeUnknown("The server fails (500 InternalError).")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatterbox_api_storage_r2.documents.GIVE_UP_S", 0.0)
        error = await refusal(read_or_create_identity(Answering()))
    assert (error.code, error.message) == ("storage_error", "The server fails (500 InternalError).")


async def test_a_mirror_that_knows_no_library_says_nothing_was_lost() -> None:
    lost = StorageFailed("lost")
    bucket = MemoryBucket()
    with pytest.raises(StorageFailed, match="lost"):
        await read_or_create_identity(bucket, lost=lost)
    assert bucket.objects == {}
    assert await read_or_create_identity(bucket) == await read_or_create_identity(bucket, lost=lost)


# --- readiness


class Probe:
    """A probe: what it is to find, and how often it was called."""

    def __init__(self) -> None:
        self.count = 0
        self.hold: asyncio.Event | None = None
        self.error: ChatterboxError | None = None

    async def __call__(self) -> None:
        self.count += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error


async def test_many_callers_cost_one_probe() -> None:
    probe = Probe()
    readiness = Readiness(probe)
    await asyncio.gather(*(readiness.check() for _ in range(20)))
    await readiness.check()
    assert probe.count == 1
    readiness.invalidate()
    await readiness.check()
    assert probe.count == 2


async def test_what_was_found_wrong_is_said_until_it_is_found_well() -> None:
    probe = Probe()
    readiness = Readiness(probe, failed_s=0.0)
    readiness.report_ready()
    probe.error = StorageFailed("The bucket is full.", code="storage_full", remedy="Free some space.")
    await readiness.check()
    readiness.invalidate()
    for _ in range(2):
        error = await refusal(readiness.check())
        assert (type(error), error.code) == (Unavailable, "storage_full")
        assert str(error) == "The bucket is full. Free some space."
    probe.error = None
    await readiness.check()


async def test_a_probe_that_takes_long_holds_nobody_up_and_the_last_good_one_counts_for_a_while() -> None:
    probe = Probe()
    probe.hold = asyncio.Event()
    readiness = Readiness(probe, wait_s=0.01, fresh_s=0.0, stale_s=0.2)
    readiness.report_ready()
    await readiness.check()
    await asyncio.sleep(0.25)
    assert (await refusal(readiness.check())).code == "storage_unreachable"
    probe.hold.set()
    await asyncio.sleep(0.05)
    await readiness.check()
    await readiness.close()


async def test_a_probe_under_way_is_ended_with_the_store() -> None:
    probe = Probe()
    probe.hold = asyncio.Event()
    readiness = Readiness(probe, wait_s=0.01)
    await refusal(readiness.check())
    before = asyncio.all_tasks()
    await readiness.close()
    assert len(asyncio.all_tasks()) == len(before) - 1


# --- the mirror of a store that has not been joined


async def test_a_bucket_that_comes_back_empty_is_not_begun_anew(s3_server: S3Server, tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    prefix = await a_library(s3_server, "anna", mirror_path=path)
    with FaultProxy(s3_server.url) as proxy:
        proxy.fault = "down"
        async with open_store(
            s3_server, prefix=prefix, url=proxy.url, mirror_path=path, retry_join_every_s=0.1
        ) as store:
            await fill(s3_server, prefix, {})
            await asyncio.to_thread(proxy.fail, "pass")
            async with asyncio.timeout(30):
                while (await refusal(store.ready())).code != "storage_bucket_changed":
                    await asyncio.sleep(0.05)
            assert [voice.name for voice in await store.list()] == ["anna"]
            assert (await refusal(store.add(VoiceDraft("bert"), AUDIO))).code == "storage_bucket_changed"
    assert await objects(s3_server, prefix) == {}


async def test_a_mirror_says_where_it_is(tmp_path: Path) -> None:
    async with Mirror.open(tmp_path / "mirror.db") as kept, Mirror.open(None) as in_memory:
        assert (kept.path, in_memory.path) == (tmp_path / "mirror.db", None)


async def test_an_object_that_is_said_to_have_changed_and_has_not_ends_the_write() -> None:
    class Contradicting(MemoryBucket):
        async def put_if_match(self, key: str, data: bytes, *, etag: str) -> str:
            await super().put_if_match(key, data, etag=etag if etag == etag_of(b"never") else '"other"')
            return ""

    bucket = Contradicting()
    over = await write(bucket, LIBRARY, {"library": "1"}, over=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chatterbox_api_storage_r2.documents.GIVE_UP_S", 0.0)
        error = await refusal(write(bucket, LIBRARY, {"library": "2"}, over=over))
    assert error.code == "storage_error"
    assert "conditional writes" in (error.remedy or "")
