"""What a server refuses, and how: the start, readiness and the answer say what it said, in time and no more than is so.

The rows of a table run side by side, each on a library and behind a proxy of its own. The quick tests take a few of
each table, and all of them with CHATTERBOX_LONG_TESTS=1.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from storage_r2.reading import AUDIO
from support.r2_stores import new_prefix, open_store
from support.s3_faults import FaultProxy, Request
from support.s3_servers import S3Server

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, Unavailable
from chatterbox_api_core.types import VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.store import R2Store

SAID_S: Final = 10.0
BACK_S: Final = 15.0
AT_ONCE: Final = 8
ROWS: Final = None if os.environ.get("CHATTERBOX_LONG_TESTS") else 6
"""How many of each table are tried, from its beginning; None for all."""

OF: Final[Mapping[str, Callable[[Request], bool]]] = {
    "lists": lambda request: "list-type" in request.target,
    "writes": lambda request: request.method == "PUT",
    "everything": lambda request: True,
}


@dataclass(frozen=True)
class Row:
    """What is refused, with which answer, and what is to be said of it.

    Attributes:
        says: what every message has in it; the answer itself where it is empty.
        stops: whether the start is stopped by it.
        ready: whether the store is ready all the same, because voices can be read.
    """

    what: str
    fault: str
    code: str
    says: str = ""
    stops: bool = True
    ready: bool = False

    def assert_said(self, error: ChatterboxError, *, unsure: bool = False) -> None:
        assert error.code == self.code or (unsure and error.code == "storage_unsure"), error
        assert (self.says or f"({self.fault})") in error.message
        assert error.remedy


LISTS: Final = [
    Row("lists", "403 AccessDenied", "storage_refused", "no right to list the objects of the bucket"),
    Row("lists", "404 NoSuchKey", "storage_error", "takes a list of the bucket voices for an object"),
    Row("lists", "404", "storage_error", stops=False),  # a gateway's, whose server may come back
    Row("lists", "500 InternalError", "storage_error", stops=False),
    Row("lists", "501 NotImplemented", "storage_error"),
    Row("lists", "403", "storage_refused", "no right to list the objects of the bucket"),
    Row("lists", "404 NoSuchBucket", "storage_no_bucket"),
    Row("lists", "401 Unauthorized", "storage_refused"),
    Row("lists", "400 InvalidArgument", "storage_error"),
    Row("lists", "405 MethodNotAllowed", "storage_error"),
    Row("lists", "502", "storage_error", stops=False),
    Row("lists", "503 SlowDown", "storage_busy", stops=False),
]
WRITES: Final = [
    Row("writes", "507 XMinioStorageFull", "storage_full", stops=False),
    Row("writes", "403 QuotaExceeded", "storage_full", stops=False),
    Row("writes", "500 InternalError", "storage_error", "fails (500 InternalError)", stops=False),
    Row("writes", "503 SlowDown", "storage_busy", stops=False, ready=True),
    Row("writes", "403 AccessDenied", "storage_read_only", "may not write", stops=False, ready=True),
    Row("writes", "501 NotImplemented", "storage_error"),
    Row("writes", "507 InsufficientStorage", "storage_full", stops=False),
    Row("writes", "507", "storage_full", stops=False),
    Row("writes", "400 XMinioAdminBucketQuotaExceeded", "storage_full", stops=False),
    Row("writes", "502", "storage_error", "fails (502)", stops=False),
    Row("writes", "429 TooManyRequests", "storage_busy", stops=False, ready=True),
    Row("writes", "409 OperationAborted", "storage_busy", stops=False, ready=True),
    Row("writes", "412 PreconditionFailed", "storage_error", "and reads that it has not", stops=False, ready=True),
    Row("writes", "405 MethodNotAllowed", "storage_error"),
    Row("writes", "400 InvalidRequest", "storage_error"),
]
EVERYTHING: Final = [
    Row("everything", "403 InvalidAccessKeyId", "storage_refused"),
    Row("everything", "400 AuthorizationHeaderMalformed", "storage_refused", "another region"),
    Row("everything", "301 PermanentRedirect", "storage_error", "sends requests elsewhere"),
    Row("everything", "404 NoSuchBucket", "storage_no_bucket"),
    Row("everything", "500 InternalError", "storage_error", stops=False),
    Row("everything", "403 RequestTimeTooSkewed", "storage_clock"),
    Row("everything", "403 SignatureDoesNotMatch", "storage_refused"),
    Row("everything", "400 ExpiredToken", "storage_refused"),
    Row("everything", "403 AccessDenied", "storage_refused", "no right to use the bucket voices"),
    Row("everything", "400 InvalidRegionName", "storage_refused", "another region"),
    Row("everything", "307 TemporaryRedirect", "storage_error", "sends requests elsewhere"),
    Row("everything", "400 InvalidRequest", "storage_error"),
    Row("everything", "503 SlowDown", "storage_busy", stops=False),
]


@pytest.mark.parametrize("rows", [LISTS, WRITES, EVERYTHING], ids=lambda rows: rows[0].what)
async def test_what_the_server_said_is_said_in_time(s3_server: S3Server, rows: list[Row]) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def drilled(row: Row) -> None:
        async with limit:
            try:
                await drill(s3_server, row)
            except BaseException as error:
                error.add_note(str(row))
                raise

    async with asyncio.TaskGroup() as group:
        for row in rows[:ROWS]:
            group.create_task(drilled(row))


async def drill(server: S3Server, row: Row) -> None:
    prefix = new_prefix()
    with FaultProxy(server.url) as proxy:
        async with (
            open_store(server, prefix=prefix, fresh_s=0, stale_max_s=0) as witness,
            open_store(server, prefix=prefix, url=proxy.url, fresh_s=0, stale_max_s=0) as store,
        ):
            for name in ("anna", "bert", "carl", "dora"):
                await store.add(VoiceDraft(name), AUDIO)
            await asyncio.to_thread(proxy.fail, row.fault, when=OF[row.what])
            await start(server, row, prefix, proxy.url)
            await answers(store, witness, row)
            await readiness(store, row)
            await asyncio.to_thread(proxy.fail, "pass")
            await ready_within(store, BACK_S)
            await store.add(VoiceDraft("emil"), AUDIO)
            assert "emil" in [voice.name for voice in await store.list()]


async def start(server: S3Server, row: Row, prefix: str, url: str) -> None:
    async def opened() -> None:
        async with open_store(server, prefix=prefix, url=url) as store:
            await store.ready()

    error = await failure(opened(), within_s=SAID_S, may_pass=row.ready)
    if error is not None:
        row.assert_said(error)
        assert isinstance(error, ConfigurationError) == row.stops


async def answers(store: R2Store, witness: R2Store, row: Row) -> None:
    if row.what == "lists":
        error = await failure(store.list(), within_s=SAID_S)
        assert error is not None
        row.assert_said(error)
        return
    before = await witness.list()
    anna, bert, carl, dora = before
    calls: list[Awaitable[Any]] = [
        store.add(VoiceDraft("new", ("alias of new",)), AUDIO),
        store.update(anna.id, VoiceChanges(name="anna2")),
        store.update(bert.id, VoiceChanges(add_aliases=("alias of bert",))),
        store.replace(carl.id, AUDIO),
        store.set_default(anna.id),
        store.remove(dora.id),
    ]
    errors = await asyncio.gather(*(failure(call, within_s=SAID_S) for call in calls))
    for error in errors:
        assert error is not None
        row.assert_said(error, unsure=True)
    certain = [error.code != "storage_unsure" for error in errors if error is not None]
    assert certain[:4] == [True] * 4, "nothing of these is begun before something else has failed"
    assert await witness.list() == before, "nothing has been done, certain or not"
    assert await witness.default() is None


async def readiness(store: R2Store, row: Row) -> None:
    if row.ready:
        await store.ready()
        return
    began = time.monotonic()
    while (error := await failure(store.ready(), within_s=SAID_S, may_pass=True)) is None:
        assert time.monotonic() - began < SAID_S
        await asyncio.sleep(0.1)
    assert isinstance(error, Unavailable)
    row.assert_said(error)


async def failure(call: Awaitable[Any], *, within_s: float, may_pass: bool = False) -> ChatterboxError | None:
    began = time.monotonic()
    try:
        await call
    except ChatterboxError as error:
        assert time.monotonic() - began < within_s
        return error
    assert may_pass, "it was done"
    return None


async def ready_within(store: R2Store, limit_s: float) -> None:
    async with asyncio.timeout(limit_s):
        while await failure(store.ready(), within_s=limit_s, may_pass=True) is not None:
            await asyncio.sleep(0.1)
