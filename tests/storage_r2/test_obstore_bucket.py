"""ObstoreBucket against real servers, and against what networks and servers do to requests."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.s3_faults import ANSWERS, FaultProxy, Request
from support.s3_servers import S3Server, local_r2, moto

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import NotModified, OutcomeUnknown, PreconditionFailed
from chatterbox_api_storage_r2.errors import startup_error
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.settings import Connection
from chatterbox_api_storage_r2.timeouts import Timeouts

KEY = "voices/voice_1.json"
LIMITS = {field.name for field in dataclasses.fields(Timeouts)}
ENOUGH_S = 20.0
"""For what must come, on a machine that has other things to do."""


async def listed(bucket: ObstoreBucket) -> list[Any]:
    return [page async for page in bucket.list("clips/")]


READS: list[Callable[[ObstoreBucket], Awaitable[Any]]] = [lambda bucket: bucket.get(KEY), listed]
WRITES: list[Callable[[ObstoreBucket], Awaitable[Any]]] = [
    lambda bucket: bucket.put_if_absent("voices/new.json", b"data"),
    lambda bucket: bucket.put_if_match(KEY, b"data", etag='"etag"'),
    lambda bucket: bucket.delete("clips/none"),
]

SERVERS = ["moto"] if local_r2() is None else ["r2"]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Generator[S3Server, None, None]:
    if request.param == "moto":
        with moto() as found:
            yield found
    else:
        local = local_r2()
        assert local is not None
        yield local


@pytest.fixture
def proxy(server: S3Server) -> Generator[FaultProxy, None, None]:
    with FaultProxy(server.url) as found:
        yield found


def connection(server: S3Server, **changes: Any) -> Connection:
    """To a part of the bucket that is this test's own; short limits, as the server is near.

    Args:
        changes: fields of the connection, or of its timeouts.
    """
    near = Connection(
        server.url,
        server.bucket,
        server.access_key_id,
        server.secret_access_key,
        prefix=secrets.token_hex(8),
        timeouts=Timeouts(read_s=1.0, read_deadline_s=3.0, write_s=1.0, probe_s=1.0, probe_every_s=0.2),
        write_interval_s=0.0,
    )
    limits = {name: changes.pop(name) for name in LIMITS & set(changes)}
    return dataclasses.replace(near, timeouts=dataclasses.replace(near.timeouts, **limits), **changes)


@asynccontextmanager
async def opened(server: S3Server, **changes: Any) -> AsyncGenerator[ObstoreBucket, None]:
    async with ObstoreBucket.open(connection(server, **changes), page_size=3) as bucket:
        yield bucket


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not holds():
            await asyncio.sleep(0.02)


def assert_tells_no_secret(error: BaseException, server: S3Server) -> None:
    """Neither itself nor what it was raised from or in."""
    seen: BaseException | None = error
    while seen is not None:
        for secret in (server.access_key_id, server.secret_access_key, "echoed-by-the-server", "StringToSign"):
            assert secret not in f"{seen} {seen!r}"
        seen = seen.__cause__ or seen.__context__


# --- what a bucket does


@pytest.mark.parametrize("size", [0, 1, 4096, 10 * 1024 * 1024 + 1])
async def test_what_is_written_is_read_whatever_its_size(server: S3Server, size: int) -> None:
    data = secrets.token_bytes(size)
    async with opened(server, write_s=ENOUGH_S, read_s=ENOUGH_S, read_deadline_s=ENOUGH_S) as bucket:
        etag = await bucket.put_if_absent("clips/a", data)
        stored = await bucket.get("clips/a")
    assert stored is not None
    assert (stored.data, stored.etag) == (data, etag)


async def test_put_if_absent_writes_an_object_once(server: S3Server) -> None:
    async with opened(server) as bucket:
        await bucket.put_if_absent(KEY, b"first")
        with pytest.raises(PreconditionFailed):
            await bucket.put_if_absent(KEY, b"second")
        stored = await bucket.get(KEY)
    assert stored is not None
    assert stored.data == b"first"


async def test_put_if_match_writes_over_the_version_it_names_alone(server: S3Server) -> None:
    async with opened(server) as bucket:
        first = await bucket.put_if_absent(KEY, b"first")
        second = await bucket.put_if_match(KEY, b"second", etag=first)
        with pytest.raises(PreconditionFailed):
            await bucket.put_if_match(KEY, b"third", etag=first)
        with pytest.raises(PreconditionFailed):
            await bucket.put_if_match("voices/none.json", b"third", etag=first)
        stored = await bucket.get(KEY)
    assert stored is not None
    assert (stored.data, stored.etag) == (b"second", second)


async def test_of_many_who_put_if_absent_one_wins(server: S3Server) -> None:
    async def tried(bucket: ObstoreBucket, data: bytes) -> bool:
        try:
            await bucket.put_if_absent(KEY, data)
        except PreconditionFailed:
            return False
        return True

    async with opened(server, write_s=ENOUGH_S) as bucket:
        won = await asyncio.gather(*(tried(bucket, b"%d" % number) for number in range(12)))
        stored = await bucket.get(KEY)
    assert won.count(True) == 1
    assert stored is not None
    assert stored.data == b"%d" % won.index(True)


async def test_what_has_not_changed_is_not_read_again(server: S3Server) -> None:
    async with opened(server) as bucket:
        first = await bucket.put_if_absent(KEY, b"first")
        with pytest.raises(NotModified):
            await bucket.get(KEY, if_none_match=first)
        await bucket.put_if_match(KEY, b"second", etag=first)
        stored = await bucket.get(KEY, if_none_match=first)
    assert stored is not None
    assert stored.data == b"second"


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(server: S3Server) -> None:
    async with opened(server) as bucket:
        await bucket.put_if_absent(KEY, b"data")
        await bucket.delete(KEY)
        await bucket.delete(KEY)
        assert await bucket.get(KEY) is None
        assert not bucket.breaker.is_open


async def test_a_listing_shows_all_in_order_page_by_page(server: S3Server) -> None:
    keys = [f"clips/{number:02}" for number in range(7)]
    async with opened(server) as bucket:
        etags = [await bucket.put_if_absent(key, b"data") for key in keys]
        await bucket.put_if_absent("voices/other.json", b"data")
        pages = [page async for page in bucket.list("clips/")]
        few = [listed.key async for page in bucket.list("clips/06") for listed in page]
        none = [listed async for page in bucket.list("names/") for listed in page]
        every = [listed.key async for page in bucket.list("") for listed in page]
    found = [listed for page in pages for listed in page]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [listed.key for listed in found] == keys
    assert [listed.etag for listed in found] == etags
    assert {listed.size_bytes for listed in found} == {4}
    assert all(abs(listed.modified_at.timestamp() - time.time()) < 3600 for listed in found)
    assert few == ["clips/06"]
    assert none == []
    assert every == [*keys, "voices/other.json"]


async def test_libraries_with_different_prefixes_share_a_bucket(server: S3Server) -> None:
    async with opened(server, prefix="/a/deep-one/") as deep, opened(server, prefix="a/deep-one/or") as deeper:
        key = f"voices/{secrets.token_hex(8)}"
        await deep.put_if_absent(key, b"deep")
        assert await deeper.get(key) is None
        await deeper.put_if_absent(key, b"deeper")
        assert key in [listed.key async for page in deep.list("voices/") for listed in page]
        assert f"or/{key}" in [listed.key async for page in deep.list("or/") for listed in page]


async def test_writes_of_one_key_are_paced_and_others_are_not(server: S3Server) -> None:
    interval_s = 1.0
    async with opened(server, write_interval_s=interval_s, write_s=ENOUGH_S) as bucket:
        etag = await bucket.put_if_absent(KEY, b"0")
        begun = time.monotonic()
        for number in range(1, 3):
            etag = await bucket.put_if_match(KEY, b"%d" % number, etag=etag)
        assert time.monotonic() - begun > 1.5 * interval_s

        begun = time.monotonic()
        for number in range(3):
            await bucket.put_if_absent(f"voices/{number}", b"data")
            await bucket.put_if_absent(f"clips/{number}", b"data")
            await bucket.delete(f"clips/{number}")
        paced_s = 9 * interval_s
        assert time.monotonic() - begun < paced_s / 2


async def test_a_write_that_would_wait_too_long_for_its_turn_is_refused(server: S3Server) -> None:
    async with opened(server, write_interval_s=60.0) as bucket:
        etag = await bucket.put_if_absent(KEY, b"0")
        with pytest.raises(Unavailable) as refused:
            await bucket.put_if_match(KEY, b"1", etag=etag)
        stored = await bucket.get(KEY)
    assert refused.value.code == "storage_busy"
    assert stored is not None
    assert stored.data == b"0"


async def test_the_environment_of_other_tools_changes_nothing(
    server: S3Server, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    def seen(request: Request) -> bool:
        sent.append(request.head.lower())
        return False

    proxy.fail("500", when=seen)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "another",
        "AWS_SECRET_ACCESS_KEY": "another",
        "AWS_SESSION_TOKEN": "another",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_CONDITIONAL_PUT": "disabled",
        "AWS_S3_EXPRESS": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    }.items():
        monkeypatch.setenv(name, value)
    async with opened(server, endpoint=proxy.url) as bucket:
        etag = await bucket.put_if_absent(KEY, b"data")
        stored = await bucket.get(KEY)
    assert stored is not None
    assert stored.etag == etag
    assert len(sent) == 2
    for head in sent:
        assert b"authorization: aws4-hmac-sha256 credential=" + server.access_key_id.lower().encode() in head
        assert b"x-amz-security-token" not in head


# --- settings that are wrong


async def test_a_missing_bucket_is_told_from_a_missing_object_in_every_call(server: S3Server) -> None:
    for call in READS + WRITES:
        async with opened(server, bucket="no-such-bucket") as bucket:
            with pytest.raises(Unavailable) as refused:
                await call(bucket)
            assert refused.value.code == "storage_no_bucket"
            assert startup_error(refused.value) is not None


@pytest.fixture(scope="module")
def particular_server() -> Generator[S3Server, None, None]:
    """One that looks at keys, which moto does not unless it is to refuse them all."""
    if (local := local_r2()) is not None:
        yield local
    else:
        with moto(closed=True) as closed:
            yield closed


@pytest.mark.parametrize("wrong", [{"access_key_id": "another-access-key"}, {"secret_access_key": "another-secret"}])
async def test_a_wrong_key_is_refused_in_every_call(particular_server: S3Server, wrong: dict[str, str]) -> None:
    server = particular_server
    for call in READS + WRITES:
        async with opened(server, **wrong) as bucket:
            with pytest.raises(Unavailable) as refused:
                await call(bucket)
            assert refused.value.code == "storage_refused"
            assert_tells_no_secret(refused.value, server)
            assert "another" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("R2_ENDPOINT", {"endpoint": "r2.example"}),
        ("R2_ENDPOINT", {"endpoint": "ftp://r2.example"}),
        ("R2_ENDPOINT", {"endpoint": "https://"}),
        ("R2_ENDPOINT", {"endpoint": "https://r2.example:99999"}),
        ("R2_ENDPOINT", {"endpoint": "https://somebody:secret@r2.example"}),
        ("R2_ENDPOINT", {"endpoint": "https://r2.example/?X-Amz-Signature=1"}),
        ("R2_BUCKET_NAME", {"bucket": ""}),
        ("R2_BUCKET_NAME", {"bucket": "a/b"}),
        ("R2_PREFIX", {"prefix": "a//b"}),
        ("R2_PREFIX", {"prefix": "../b"}),
        ("R2_PREFIX", {"prefix": "a b"}),
    ],
)
def test_what_cannot_be_an_address_is_refused_before_anything_is_sent(field: str, changes: dict[str, str]) -> None:
    good = Connection("https://account.r2.cloudflarestorage.com", "voices", "key-id", "secret", prefix="a/b-c/")
    with pytest.raises(ConfigurationError) as refused:
        dataclasses.replace(good, **changes)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert "secret" not in str(refused.value)


def test_a_connection_shows_no_secret() -> None:
    shown = repr(Connection("https://r2.example", "voices", "the-key-id", "the-secret"))
    assert "voices" in shown
    assert "the-key-id" not in shown
    assert "the-secret" not in shown


# --- what networks and servers do


CODES = {
    "down": "storage_unreachable",
    "blackhole": "storage_unreachable",
    "slow": "storage_unreachable",
    "reset": "storage_unreachable",
    "end": "storage_unreachable",
    "stall": "storage_unreachable",
    "401": "storage_refused",
    "403": "storage_refused",
    "403key": "storage_refused",
    "403signature": "storage_refused",
    "404bucket": "storage_no_bucket",
    "429": "storage_busy",
    "500": "storage_error",
    "501": "storage_error",
    "503": "storage_busy",
    "skew": "storage_clock",
}


@pytest.mark.parametrize(("fault", "code"), CODES.items())
async def test_a_read_that_cannot_be_done_says_why_in_time(
    server: S3Server, proxy: FaultProxy, fault: str, code: str
) -> None:
    for call in READS:
        async with opened(server, endpoint=proxy.url) as bucket:
            proxy.fault = "pass"
            await bucket.put_if_absent(KEY, b"data" * 1000)
            proxy.fault = fault
            begun = time.monotonic()
            with pytest.raises(Unavailable) as failed:
                await call(bucket)
            assert time.monotonic() - begun < 3.0 + ENOUGH_S / 2
            assert failed.value.code == code
            assert_tells_no_secret(failed.value, server)


@pytest.mark.parametrize("fault", ["blackhole", "slow", "reset", "end", "stall", "500", "503", "429", "lost-reply"])
async def test_a_write_without_a_certain_answer_has_an_unknown_outcome_and_is_tried_once(
    server: S3Server, proxy: FaultProxy, fault: str
) -> None:
    async with opened(server, endpoint=proxy.url) as bucket:
        etag = await bucket.put_if_absent(KEY, b"data")
        proxy.fail(fault, when=lambda request: request.method in ("PUT", "DELETE"))
        for call in (
            lambda: bucket.put_if_absent("voices/new.json", b"data"),
            lambda: bucket.put_if_match(KEY, b"more", etag=etag),
            lambda: bucket.delete(KEY),
        ):
            before = proxy.requests["PUT"] + proxy.requests["DELETE"]
            begun = time.monotonic()
            with pytest.raises(OutcomeUnknown) as unknown:
                await call()
            assert time.monotonic() - begun < 1.0 + ENOUGH_S / 2
            assert proxy.requests["PUT"] + proxy.requests["DELETE"] == before + 1
            assert unknown.value.retry_after_s >= (1.0 if fault in ("429", "503") else 0.0)
            assert_tells_no_secret(unknown.value, server)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(fault, code) for fault, code in CODES.items() if fault in ("down", "401", "403key", "404bucket", "501", "skew")],
)
async def test_a_write_that_was_certainly_not_done_is_refused(
    server: S3Server, proxy: FaultProxy, fault: str, code: str
) -> None:
    proxy.fault = fault
    for call in WRITES:
        async with opened(server, endpoint=proxy.url) as bucket:
            with pytest.raises(Unavailable) as refused:
                await call(bucket)
            assert refused.value.code == code
            assert_tells_no_secret(refused.value, server)


async def test_a_key_that_may_only_read_is_told_so(server: S3Server, proxy: FaultProxy) -> None:
    async with opened(server, endpoint=proxy.url) as bucket:
        etag = await bucket.put_if_absent(KEY, b"data")
        proxy.fail("403", when=lambda request: request.method != "GET")
        with pytest.raises(StorageFailed) as created:
            await bucket.put_if_absent("voices/new.json", b"data")
        with pytest.raises(StorageFailed) as overwritten:
            await bucket.put_if_match(KEY, b"more", etag=etag)
        with pytest.raises(Unavailable):
            await bucket.delete(KEY)
        assert created.value.code == overwritten.value.code == "storage_read_only"
        stored = await bucket.get(KEY)
    assert stored is not None
    assert stored.data == b"data"


@pytest.mark.parametrize("fault", ["reset", "end", "stall", "blackhole", "500", "503", "429"])
async def test_a_read_that_fails_once_is_tried_again(server: S3Server, proxy: FaultProxy, fault: str) -> None:
    data = secrets.token_bytes(1_000_000)
    async with opened(server, endpoint=proxy.url, read_deadline_s=ENOUGH_S, write_s=ENOUGH_S) as bucket:
        await bucket.put_if_absent("clips/a", data)
        proxy.fail(fault, when=lambda request: "clips" in request.target, nth=1)
        begun = time.monotonic()
        stored = await bucket.get("clips/a")
        waited_s = time.monotonic() - begun
        proxy.fail(fault, when=lambda request: "clips" in request.target, nth=1)
        found = [listed.key async for page in bucket.list("clips/") for listed in page]
    assert stored is not None
    assert stored.data == data
    assert found == ["clips/a"]
    if fault in ("503", "429"):
        assert waited_s >= 1


async def test_a_large_answer_may_take_longer_than_a_small_one(server: S3Server, proxy: FaultProxy) -> None:
    """The limit is for each part of it, so a slow connection is not a broken one."""
    data = secrets.token_bytes(5_000_000)
    async with opened(server, endpoint=proxy.url, read_deadline_s=2.0, write_s=ENOUGH_S, read_attempts=1) as bucket:
        await bucket.put_if_absent("clips/a", data)
        proxy.fault, proxy.slow_bytes = "slow", 300_000
        begun = time.monotonic()
        stored = await bucket.get("clips/a")
        assert time.monotonic() - begun > 2.0
    assert stored is not None
    assert stored.data == data


async def test_a_cancelled_read_leaves_no_request_behind(server: S3Server, proxy: FaultProxy) -> None:
    async with opened(server, endpoint=proxy.url, read_s=60.0, read_deadline_s=60.0) as bucket:
        proxy.fault = "blackhole"
        reading = asyncio.create_task(bucket.get(KEY))
        await until(lambda: proxy.requests["GET"] == 1)
        assert proxy.open_requests == 1
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await until(lambda: proxy.open_requests == 0)


async def test_a_lost_reply_and_a_lost_request_look_the_same_and_are_not(server: S3Server, proxy: FaultProxy) -> None:
    async with opened(server, endpoint=proxy.url) as bucket:
        for fault, done in (("lost-reply", True), ("lost-request", False)):
            proxy.fail(fault, when=lambda request: request.method == "PUT")
            with pytest.raises(OutcomeUnknown):
                await bucket.put_if_absent(f"voices/{fault}", b"data")
            proxy.fault = "pass"
            assert (await bucket.get(f"voices/{fault}") is not None) is done


# --- the circuit breaker


@pytest.mark.parametrize(
    ("fault", "code"), [(f, CODES[f]) for f in ("down", "blackhole", "500", "403", "404bucket", "skew")]
)
async def test_the_breaker_is_open_from_a_failed_probe_until_one_is_answered(
    server: S3Server, proxy: FaultProxy, fault: str, code: str
) -> None:
    async with opened(server, endpoint=proxy.url) as bucket:
        bucket.breaker.check()
        proxy.fault = fault
        with pytest.raises(Unavailable):
            await bucket.get(KEY)
        await until(lambda: bucket.breaker.is_open)
        assert bucket.breaker.open_since is not None
        for call in READS + WRITES:
            begun = time.monotonic()
            with pytest.raises(Unavailable) as refused:
                await call(bucket)
            assert time.monotonic() - begun < 0.5
            assert refused.value.code == code
            assert_tells_no_secret(refused.value, server)

        proxy.fault = "pass"
        await until(lambda: not bucket.breaker.is_open)
        assert bucket.breaker.open_since is None
        await bucket.put_if_absent(KEY, b"data")


async def test_one_failure_among_many_answers_does_not_open_the_breaker(server: S3Server, proxy: FaultProxy) -> None:
    async with opened(server, endpoint=proxy.url) as bucket:
        proxy.fail("500", when=lambda request: request.method == "PUT")
        with pytest.raises(OutcomeUnknown):
            await bucket.put_if_absent(KEY, b"data")
        await until(lambda: proxy.requests["GET"] == 1)
        for _ in range(20):
            assert await bucket.get("voices/none.json") is None
        assert not bucket.breaker.is_open


async def test_a_closed_bucket_leaves_no_task(server: S3Server, proxy: FaultProxy) -> None:
    before = asyncio.all_tasks()
    async with opened(server, endpoint=proxy.url) as bucket:
        proxy.fault = "down"
        with pytest.raises(Unavailable):
            await bucket.get(KEY)
        await until(lambda: bucket.breaker.is_open)
    assert asyncio.all_tasks() == before


async def test_nothing_that_fails_is_logged_with_a_secret(
    server: S3Server, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for fault in ANSWERS:
        proxy.fault = fault
        async with opened(server, endpoint=proxy.url) as bucket:
            with pytest.raises((ChatterboxError, OutcomeUnknown)) as failed:
                await WRITES[0](bucket)
            logging.getLogger(__name__).error("as somebody may log it", exc_info=failed.value)
            await until(lambda: bucket.breaker.is_open)
    assert "is unavailable" in caplog.text
    for secret in (server.access_key_id, server.secret_access_key, "echoed-by-the-server"):
        assert secret not in caplog.text


SHORT = """
import asyncio, sys
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.settings import Connection
async def main():
    async with ObstoreBucket.open(Connection(sys.argv[1], "voices", sys.argv[2], sys.argv[3])) as bucket:
        reads = [asyncio.create_task(bucket.get(f"voices/{number}")) for number in range(20)]
        await reads[0]
        for read in reads: read.cancel()
asyncio.run(main())
"""


def test_a_short_program_ends_in_good_order(server: S3Server) -> None:
    """obstore's threads would abort it if it ended the moment its last call does."""
    for _ in range(5):
        arguments = [sys.executable, "-c", SHORT, server.url, server.access_key_id, server.secret_access_key]
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
