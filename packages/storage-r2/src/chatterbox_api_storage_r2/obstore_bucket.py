"""A bucket on R2, or any S3, through obstore: the one module that imports it.

obstore's own retries are off. The answer to a retried write is that to its second delivery, which hides the outcome of
the first; and a retried read would go on for minutes. So a write is attempted once, and a read is retried here, within
a deadline.

Cancelling a call of obstore drops the request, but the server may do it all the same if it is under way. So a write
that runs out of time raises `OutcomeUnknown`.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import hashlib
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from obstore.store import S3Store

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.bucket import (
    NotModified,
    ObjectSummary,
    OutcomeUnknown,
    PreconditionFailed,
    StoredObject,
)
from chatterbox_api_storage_r2.circuit_breaker import CircuitBreaker
from chatterbox_api_storage_r2.error_details import ErrorDetails, error_details
from chatterbox_api_storage_r2.errors import (
    FailureKind,
    failure_kind,
    outcome_unknown,
    storage_full,
    storage_read_only,
    unavailable,
)
from chatterbox_api_storage_r2.layout import LIBRARY
from chatterbox_api_storage_r2.proxies import proxy_for
from chatterbox_api_storage_r2.settings import Connection
from chatterbox_api_storage_r2.timeouts import CHUNK_BYTES
from chatterbox_api_storage_r2.write_rate_limiter import WriteRateLimiter

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions, ObjectMeta, PutMode
    from obstore.store import S3Credential

__all__ = ["ObstoreBucket"]

_T = TypeVar("_T")

_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 4.0

# The threads of obstore still use Python for a moment after a call has ended. If the event loop is closed by then, they
# write to standard error; if the interpreter has ended, they abort the process. So both wait for that moment.
_SETTLE_S: Final = 0.1
atexit.register(time.sleep, _SETTLE_S)


class ObstoreBucket:
    """A `bucket.Bucket` on a real server. Used on one event loop.

    async with ObstoreBucket.open(connection) as bucket:
        etag = await bucket.put_if_absent("voices/a.json", b"{}")
        etag = await bucket.put_if_match("voices/a.json", b"[]", etag=etag)
    """

    def __init__(self, connection: Connection, *, page_size: int) -> None:
        self._connection, self._timeouts, self._page_size = connection, connection.timeouts, page_size
        prefix = connection.prefix.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._store = _store(connection)
        # Reads have a client of their own: a limit on each piece of an answer would also end a slow answer to a write.
        self._read_store = _store(connection, stalled_s=self._timeouts.read_s)
        self._proxy = proxy_for(connection.endpoint, os.environ)
        self._write_rate = WriteRateLimiter(connection.write_interval_s)
        self._breaker = CircuitBreaker(
            self._probe,
            probe_limit_s=self._timeouts.probe_s,
            probe_every_s=self._timeouts.probe_every_s,
            hold_s=self._timeouts.unresponsive_s,
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, connection: Connection, *, page_size: int = 1000) -> AsyncGenerator[ObstoreBucket, None]:
        """A bucket to use on this event loop, until the end of the block. No request is sent yet.

        Args:
            connection: where the bucket is.
            page_size: how many objects a list returns at a time, at most.
        """
        bucket = cls(connection, page_size=page_size)
        try:
            yield bucket
        finally:
            await bucket.breaker.close()
            await asyncio.sleep(_SETTLE_S)

    @property
    def breaker(self) -> CircuitBreaker:
        """Whether the bucket is available."""
        return self._breaker

    async def get(self, key: str, *, if_none_match: str | None = None) -> StoredObject | None:
        """See `Bucket.get`."""
        found = await self._read(lambda limit: self._get(key, if_none_match, limit))
        if isinstance(found, ErrorDetails):
            if found.not_found:
                return None
            if if_none_match is None:
                raise unavailable(self._failure_kind(found))
            raise NotModified
        body, etag = found
        # Outside of the time limits, which are for the bucket and not for the threads of this process.
        large = len(body) > CHUNK_BYTES
        return await asyncio.to_thread(_hashed, body, etag) if large else StoredObject(bytes(body), etag)

    async def put_if_absent(self, key: str, data: bytes) -> str:
        """See `Bucket.put_if_absent`."""
        return await self._put(key, data, "create")

    async def put_if_match(self, key: str, data: bytes, *, etag: str) -> str:
        """See `Bucket.put_if_match`."""
        return await self._put(key, data, {"e_tag": etag})

    async def delete(self, key: str) -> None:
        """See `Bucket.delete`."""

        async def work(limit: asyncio.Timeout) -> None:
            await self._store.delete_async(self._prefix + key)

        self._breaker.check()
        done = await _attempt(work, limit_s=self._timeouts.write_s)
        if isinstance(done, ErrorDetails) and not done.not_found:
            raise self._write_error(done)

    async def list(self, prefix: str) -> AsyncGenerator[tuple[ObjectSummary, ...], None]:
        """See `Bucket.list`."""
        after = ""
        while True:
            found = await self._read(functools.partial(self._list, prefix, after), listing=True)
            if isinstance(found, ErrorDetails):
                raise unavailable(self._failure_kind(found, listing=True))
            yield tuple(listed for listed in found if listed.key.startswith(prefix))
            if len(found) < self._page_size:
                return
            after = found[-1].key

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        """See `Bucket.pause`."""
        await asyncio.sleep(_pause_s(attempt, at_least_s=at_least_s))

    async def _get(
        self, key: str, if_none_match: str | None, limit: asyncio.Timeout
    ) -> tuple[Bytes, str] | ErrorDetails:
        options: GetOptions = {"if_none_match": if_none_match} if if_none_match else {}
        result = await self._read_store.get_async(self._prefix + key, options=options)
        size, etag = result.meta["size"], result.meta["e_tag"]
        # One limit for the whole body, since reading it in pieces costs too much. A body that stalls ends sooner, by
        # the limit of the client.
        limit.reschedule(asyncio.get_running_loop().time() + self._timeouts.read_limit_s(size))
        body = await result.bytes_async()
        if len(body) != size:
            return ErrorDetails(transport_error="the connection broke")
        return (body, etag) if etag else ErrorDetails(200, "NoETag")

    async def _list(self, prefix: str, after: str, limit: asyncio.Timeout) -> tuple[ObjectSummary, ...]:
        """One page. Each is a list of its own, so that it can be tried again."""
        folder = self._prefix + prefix[: prefix.rfind("/") + 1]
        offset = self._prefix + after if after else None
        async for page in self._read_store.list(folder or None, offset=offset, chunk_size=self._page_size):
            return tuple(self._summary(each) for each in page)
        return ()

    def _summary(self, meta: ObjectMeta) -> ObjectSummary:
        key = meta["path"].removeprefix(self._prefix)
        return ObjectSummary(key, meta["e_tag"] or "", meta["size"], meta["last_modified"])

    async def _put(self, key: str, data: bytes, mode: PutMode) -> str:
        async def work(limit: asyncio.Timeout) -> str | None:
            return (await self._store.put_async(self._prefix + key, data, mode=mode, use_multipart=False))["e_tag"]

        self._breaker.check()
        limit_s = self._timeouts.write_limit_s(len(data))
        await self._write_rate.wait(key, longest_s=limit_s)
        done = await _attempt(work, limit_s=limit_s)
        if isinstance(done, str):
            return done
        details = done or ErrorDetails(200, "NoETag")
        if details.precondition_failed:
            raise PreconditionFailed
        if details.out_of_space:
            raise storage_full(self._connection.bucket, details)
        if details.status == 403 and details.code in ("", "AccessDenied"):
            self._breaker.report_failure()
            raise storage_read_only(self._connection.bucket)
        raise self._write_error(details)

    async def _read(
        self, work: Callable[[asyncio.Timeout], Awaitable[_T | ErrorDetails]], *, listing: bool = False
    ) -> _T | ErrorDetails:
        """What the work returns, or the details of an answer that is no failure: not modified, no such object."""
        return await self._retried(
            work,
            deadline_s=self._timeouts.read_deadline_s,
            check=self._breaker.check,
            failed=self._breaker.report_failure,
            listing=listing,
        )

    async def _probe(self, limit_s: float) -> None:
        # A probe goes through while the breaker is open, and its failure is for the breaker alone to judge.
        def nothing() -> None: ...

        await self._retried(
            lambda limit: self._get(LIBRARY, None, limit), deadline_s=limit_s, check=nothing, failed=nothing
        )

    async def _retried(
        self,
        work: Callable[[asyncio.Timeout], Awaitable[_T | ErrorDetails]],
        *,
        deadline_s: float,
        check: Callable[[], None],
        failed: Callable[[], None],
        listing: bool = False,
    ) -> _T | ErrorDetails:
        end = time.monotonic() + deadline_s
        attempt = 0
        while True:
            check()
            left_s = max(end - time.monotonic(), 0.0)
            done = await _attempt(work, limit_s=min(self._timeouts.read_s, left_s))
            if not isinstance(done, ErrorDetails) or done.status == 304 or done.not_found:
                return done
            failed()
            kind = self._failure_kind(done, listing=listing)
            pause_s = _pause_s(attempt, at_least_s=kind.retry_after_s)
            attempt += 1
            is_last = attempt == self._connection.read_attempts or time.monotonic() + pause_s >= end
            if not kind.transient or is_last:
                raise unavailable(kind)
            await asyncio.sleep(pause_s)

    def _write_error(self, details: ErrorDetails) -> OutcomeUnknown | Unavailable:
        self._breaker.report_failure()
        kind = self._failure_kind(details)
        error = unavailable(kind)
        if outcome_unknown(details, kind):
            return OutcomeUnknown(kind.message, retry_after_s=max(kind.retry_after_s, _PAUSE_S), error=error)
        return error

    def _failure_kind(self, details: ErrorDetails, *, listing: bool = False) -> FailureKind:
        host, bucket = self._connection.host, self._connection.bucket
        return failure_kind(details, host=host, bucket=bucket, listing=listing, proxy=self._proxy)


async def _attempt(work: Callable[[asyncio.Timeout], Awaitable[_T]], *, limit_s: float) -> _T | ErrorDetails:
    """What the work returns, or the details of its failure.

    They are returned and not raised, so that no error of this package carries the text of obstore along.
    """
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await work(limit)
    except Exception as error:  # obstore raises a dozen types, built-in ones and one that cannot be imported
        return error_details(error)


def _hashed(body: Bytes, etag: str) -> StoredObject:
    """Copy and hash a large body, in one thread: handing it over in between costs more than the copy."""
    data = bytes(body)
    return StoredObject(data, etag, sha256=hashlib.sha256(data).hexdigest())


def _pause_s(attempt: int, *, at_least_s: float = 0.0) -> float:
    return at_least_s + random.uniform(0.0, min(_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))  # noqa: S311


def _store(connection: Connection, *, stalled_s: float | None = None) -> S3Store:
    """The client of obstore. It takes from the environment what it is not given, so it is given everything.

    Args:
        stalled_s: how long an answer may pause, in seconds; None for as long as its caller waits.
    """

    def credential() -> S3Credential:
        return {
            "access_key_id": connection.access_key_id,
            "secret_access_key": connection.secret_access_key,
            "token": None,
            "expires_at": None,
        }

    # Each call has a shorter limit of its own. This one is for a request whose caller has gone.
    longest = timedelta(minutes=5)
    stalled = longest if stalled_s is None else timedelta(seconds=stalled_s)
    return S3Store(
        connection.bucket,
        endpoint=connection.endpoint,
        aws_endpoint_url_s3=connection.endpoint,
        region=connection.region,
        credential_provider=credential,
        virtual_hosted_style_request=False,
        skip_signature=False,
        conditional_put="etag",
        s3_express=False,
        request_payer=False,
        disable_bulk_delete=True,
        client_options={
            "allow_http": connection.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=connection.timeouts.connect_s),
            "read_timeout": stalled,
            "timeout": longest,
        },
        retry_config={"max_retries": 0, "retry_timeout": longest},
    )
