"""Each request of each operation fails once, in each way: what is said of the operation is true, and all goes on.

The n-th request fails, for n = 1, 2, ... until the operation needs no more. Then a second store, which asks the bucket
each time without a proxy, looks at what is there.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

import pytest
from storage_r2.histories import FaultyProxy
from storage_r2.library_contents import contents_of, sweep_all
from storage_r2.memory_bucket import MemoryBucket
from support.r2_stores import connection_to, new_prefix, open_store
from support.s3_faults import Request
from support.s3_servers import S3Server

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, NameTaken, StorageFailed, Unavailable
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice, VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.bucket import OutcomeUnknown
from chatterbox_api_storage_r2.documents import read, write
from chatterbox_api_storage_r2.layout import DEFAULT
from chatterbox_api_storage_r2.library_identity import read_or_create_identity
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.store import R2Store
from chatterbox_api_testkit.voice_store_concurrency import clip

LONG = os.environ.get("CHATTERBOX_LONG_TESTS") == "1"
FAULTS = ("lost-reply", "403", "reset-before", *(("lost-request", "reset") if LONG else ()))
"""lost-request and lost-reply are answered with a 500, without and with the request done; see `s3_faults`."""

Found: TypeAlias = dict[str, str | None]
"""The SHA-256 of the bytes behind each name, and under `default` that of the default voice; None for no voice."""

OLD_CLIP, NEW_CLIP, OTHER_CLIP = clip(1), clip(2), clip(3)
OLD, NEW = OLD_CLIP.sha256, NEW_CLIP.sha256


class ProxyWithOneFault(FaultyProxy):
    """Fails the n-th of the requests that count.

    Attributes:
        counted: how many there were since the fault was planned.
    """

    def __init__(self, server: S3Server, *, counts: Callable[[Request], bool]) -> None:
        super().__init__(server.url, seed="", turn=threading.Lock(), share=0.0)
        self._counts, self._plan = counts, ("pass", 0)
        self.counted = 0

    def plan(self, fault: str, *, nth: int) -> None:
        self.counted, self._plan = 0, (fault, nth)

    async def quiet(self) -> None:
        """Wait until nothing is under way; what goes on in the background has begun by then."""
        await asyncio.sleep(0.02)
        async with asyncio.timeout(30):
            while self.open_requests:
                await asyncio.sleep(0.005)

    def _chosen(self, request: Request) -> str:
        if not self._counts(request):
            return "pass"
        self.counted += 1
        fault, nth = self._plan
        return fault if self.counted == nth else "pass"


@dataclass(frozen=True)
class Operation:
    """One kind of call on a voice whose names end with a number: what it does to what is found."""

    act: Callable[[VoiceStore, Voice, str], Awaitable[object]]
    before: Found
    after: Found


LIVING: Final[Found] = {"old": OLD, "alias": OLD, "new": None, "default": None}

OPERATIONS: Final = {
    "add": Operation(
        lambda store, _, n: store.add(VoiceDraft(f"new {n}", (f"second {n}",)), NEW_CLIP),
        {"new": None, "second": None},
        {"new": NEW, "second": NEW},
    ),
    "rename": Operation(
        lambda store, voice, n: store.update(voice.id, VoiceChanges(name=f"new {n}")),
        LIVING,
        LIVING | {"old": None, "new": OLD},
    ),
    "alias": Operation(
        lambda store, voice, n: store.update(voice.id, VoiceChanges(add_aliases=(f"new {n}",))),
        LIVING,
        LIVING | {"new": OLD},
    ),
    "replace": Operation(
        lambda store, voice, _: store.replace(voice.id, NEW_CLIP), LIVING, LIVING | {"old": NEW, "alias": NEW}
    ),
    "remove": Operation(
        lambda store, voice, _: store.remove(voice.id), LIVING, LIVING | {"old": None, "alias": None}
    ),
    "set_default": Operation(
        lambda store, voice, _: store.set_default(voice.id), LIVING, LIVING | {"default": OLD}
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", OPERATIONS)
async def test_whichever_request_fails_what_is_said_is_true(s3_server: S3Server, kind: str, fault: str) -> None:
    operation, prefix = OPERATIONS[kind], new_prefix()
    outcomes: Counter[str] = Counter()
    outcome = ""
    async with scene(s3_server, prefix) as (store, proxy, witness):
        for n in count(1):
            voice = await a_voice(witness, f"{n}")
            outcome = await failing(proxy, fault, n, operation.act(store, voice, f"{n}"))
            if proxy.counted < n:
                break
            outcomes[outcome] += 1
            found = await find_all(witness, voice, f"{n}", operation)
            assert found in {"ok": [operation.after], "refused": [operation.before]}.get(
                outcome, [operation.before, operation.after]
            ), (n, outcome)
            assert await find_all(store, voice, f"{n}", operation) == found
            if kind in ("rename", "alias", "replace"):
                seen = await witness.get(voice.id)
                assert seen is not None
                assert seen.revision == (2 if found == operation.after else 1), "done twice"
            await check_names(witness, found, f"{n}")
            again = voice if found == operation.before else await a_voice(witness, f"{n} again")
            suffix = f"{n}" if again is voice else f"{n} again"
            await operation.act(store, again, suffix)
            assert await find_all(witness, again, suffix, operation) == operation.after
            await witness.set_default(None)
        assert outcome == "ok"
        before = await contents_of(s3_server, prefix)
        await sweep_all(s3_server, prefix)
        after = await contents_of(s3_server, prefix)
    assert after.voices == before.voices
    assert after.left_over == set()
    assert outcomes.total() >= 3, "too few requests failed"
    assert fault != "403" or outcomes["refused"] > 0
    assert fault == "403" or set(outcomes) == {"ok"}, "one failed request can be made good"


@pytest.mark.parametrize("fault", FAULTS)
async def test_whichever_request_of_the_first_start_fails_there_is_one_library(s3_server: S3Server, fault: str) -> None:
    outcomes: Counter[str] = Counter()
    with ProxyWithOneFault(s3_server, counts=lambda request: "library.json" in request.target) as proxy:
        for n in count(1):
            prefix = new_prefix()
            proxy.plan(fault, nth=n)
            outcome = "ok"
            try:
                async with open_store(s3_server, prefix=prefix, url=proxy.url, retry_join_every_s=0.05) as store:
                    if proxy.counted < n:
                        break
                    await ready(store)
                    made = await store.add(VoiceDraft("Anna"), OLD_CLIP)
                    library_id = await library_of(s3_server, prefix)
            except ConfigurationError as error:
                assert error.code in ("storage_refused", "storage_read_only")
                outcome, made, library_id = "refused", None, await library_of(s3_server, prefix)
            outcomes[outcome] += 1
            proxy.plan("pass", nth=0)
            async with open_store(s3_server, prefix=prefix, url=proxy.url) as store:
                assert await store.get_by_name("Anna") == made
                assert await library_of(s3_server, prefix) == library_id
                await store.add(VoiceDraft("Bert"), NEW_CLIP)
    assert outcomes.total() >= 2
    assert (outcomes["refused"] > 0) == (fault == "403")


@pytest.mark.parametrize("refusal", [StorageFailed("no right"), Unavailable("The bucket is unavailable.")])
async def test_a_refusal_after_an_unknown_outcome_leaves_it_unknown(refusal: ChatterboxError) -> None:
    """The attempt before may still be on its way, so nobody may be told that nothing was done."""

    class Bucket(MemoryBucket):
        async def put_if_absent(self, key: str, data: bytes) -> str:
            if not on_its_way:
                on_its_way.append((key, data))
                raise OutcomeUnknown("no answer")
            raise refusal

        async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None: ...

    on_its_way: list[tuple[str, bytes]] = []
    bucket = Bucket()
    with pytest.raises(Unavailable) as told:
        await write(bucket, DEFAULT, {"voice": "1"}, over=None)
    assert told.value.code == "storage_unsure"
    await MemoryBucket.put_if_absent(bucket, *on_its_way[0])
    found = await read(bucket, DEFAULT)
    assert found is not None
    assert found.body == {"voice": "1"}


@asynccontextmanager
async def scene(server: S3Server, prefix: str) -> AsyncGenerator[tuple[R2Store, ProxyWithOneFault, R2Store], None]:
    """A store behind a proxy, the proxy, and a witness without one; each asks the bucket each time."""

    def counts(request: Request) -> bool:  # a probe of the bucket's health, and a listing, are not the operation's
        return "library.json" not in request.target and "list-type" not in request.target

    with ProxyWithOneFault(server, counts=counts) as proxy:
        async with (
            open_store(server, prefix=prefix, url=proxy.url, fresh_s=0, stale_max_s=0) as store,
            open_store(server, prefix=prefix, fresh_s=0, stale_max_s=0) as witness,
        ):
            await store.list()
            yield store, proxy, witness


async def a_voice(store: VoiceStore, n: str) -> Voice:
    return await store.add(VoiceDraft(f"old {n}", (f"alias {n}",)), OLD_CLIP)


async def failing(proxy: ProxyWithOneFault, fault: str, n: int, work: Awaitable[object]) -> str:
    """How the operation ended: ok, refused or unsure."""
    await proxy.quiet()
    proxy.plan(fault, nth=n)
    outcome = "ok"
    try:
        await work
    except ChatterboxError as error:
        assert isinstance(error, Unavailable | StorageFailed)
        outcome = "unsure" if error.code == "storage_unsure" else "refused"
    await proxy.quiet()
    counted = proxy.counted
    proxy.plan("pass", nth=0)
    proxy.counted = counted
    return outcome


async def find_all(store: VoiceStore, voice: Voice, n: str, operation: Operation) -> Found:
    found: Found = {}
    for name in operation.before:
        seen = await store.default() if name == "default" else await store.get_by_name(f"{name} {n}")
        if seen is not None and operation.before is LIVING:
            assert seen.id == voice.id
        found[name] = None if seen is None else hashlib.sha256(await store.read_clip(seen)).hexdigest()
    return found


async def check_names(store: VoiceStore, found: Found, n: str) -> None:
    """A name is refused if a voice has it, else it is to be had."""
    for name, held in found.items():
        if name == "default":
            continue
        if held is None:
            await store.remove((await store.add(VoiceDraft(f"{name} {n}"), OTHER_CLIP)).id)
        else:
            with pytest.raises(NameTaken):
                await store.add(VoiceDraft(f"{name} {n}"), OTHER_CLIP)


async def ready(store: R2Store) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.ready()
            except Unavailable:
                await asyncio.sleep(0.02)


async def library_of(server: S3Server, prefix: str) -> str:
    async with ObstoreBucket.open(connection_to(server, prefix=prefix)) as bucket:
        return await read_or_create_identity(bucket)
