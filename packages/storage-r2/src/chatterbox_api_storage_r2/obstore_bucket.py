"""A bucket on R2, or any S3, through obstore: the one module that imports it.

obstore's own retries are off. A write that was retried is answered for its second delivery, which hides what became
of the first; and a read that was retried would go on for minutes. So writes are tried once and answered honestly,
and reads are retried here, within a deadline.

Cancelling a call of obstore's drops the request, but one that is on its way may be done all the same. That is what
`Doubtful` says of a write that ran out of time.
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
from chatterbox_api_storage_r2.bucket import Conflict, Doubtful, Listed, Stored, Unchanged
from chatterbox_api_storage_r2.connection import Connection, Paces
from chatterbox_api_storage_r2.failures import Cause, Signs, cause, full, left_open, read_only, signs, unavailable
from chatterbox_api_storage_r2.health import Health
from chatterbox_api_storage_r2.proxies import proxy_for
from chatterbox_api_storage_r2.records import LIBRARY

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions, ObjectMeta, PutMode
    from obstore.store import S3Credential

__all__ = ["Connection", "ObstoreBucket"]

_T = TypeVar("_T")

_CHUNK: Final = 256 * 1024
_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 4.0

# obstore's threads are not done with Python when a call has ended. If the event loop is closed by then, they complain
# on standard error; if the interpreter has ended, they abort the process. So both are put off for that moment.
_SETTLE_S: Final = 0.1
atexit.register(time.sleep, _SETTLE_S)


class ObstoreBucket:
    """See `bucket.Bucket` and the module. Use `open`.

    Attributes:
        health: whether the bucket answers; while it does not, calls fail at once.
    """

    def __init__(self, settings: Connection, *, probe_limit_s: float, probe_every_s: float, page: int) -> None:
        self._settings, self._page = settings, page
        prefix = settings.prefix.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._store = _store(settings)
        # A limit for each piece that comes would also end a write that takes long to be answered.
        self._read_store = _store(settings, stalled_s=settings.read_timeout_s)
        self._proxy = proxy_for(settings.endpoint, os.environ)
        self._paces = Paces(settings.write_interval_s)
        self.health = Health(self._probe, limit_s=probe_limit_s, every_s=probe_every_s)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Connection, *, probe_limit_s: float = 3.0, probe_every_s: float = 5.0, page: int = 1000
    ) -> AsyncGenerator[ObstoreBucket, None]:
        """A bucket to use on this event loop. Nothing is asked of it yet.

        Args:
            probe_limit_s, probe_every_s: see `Health`.
            page: how many objects a listing gives at a time, at most.
        """
        bucket = cls(settings, probe_limit_s=probe_limit_s, probe_every_s=probe_every_s, page=page)
        try:
            yield bucket
        finally:
            await bucket.health.close()
            await asyncio.sleep(_SETTLE_S)

    async def get(self, key: str, *, unless: str | None = None) -> Stored | None:
        found = await self._read(lambda limit: self._get(key, unless, limit))
        if isinstance(found, Signs):
            if found.missing:
                return None
            if unless is None:
                raise unavailable(self._cause(found))
            raise Unchanged
        body, etag = found
        # Outside of the limits, which are about the bucket, and not about the threads here.
        return await asyncio.to_thread(_checked, body, etag) if len(body) > _CHUNK else Stored(bytes(body), etag)

    async def create(self, key: str, data: bytes) -> str:
        return await self._put(key, data, "create")

    async def swap(self, key: str, data: bytes, *, etag: str) -> str:
        return await self._put(key, data, {"e_tag": etag})

    async def delete(self, key: str) -> None:
        async def work(limit: asyncio.Timeout) -> None:
            await self._store.delete_async(self._prefix + key)

        self.health.check()
        done = await _attempt(work, limit_s=self._settings.write_timeout_s)
        if isinstance(done, Signs) and not done.missing:
            raise self._refusal(done)

    async def list(self, prefix: str) -> AsyncGenerator[tuple[Listed, ...], None]:
        after = ""
        while True:
            found = await self._read(functools.partial(self._list, prefix, after), listing=True)
            if isinstance(found, Signs):
                raise unavailable(self._cause(found, listing=True))
            yield tuple(listed for listed in found if listed.key.startswith(prefix))
            if len(found) < self._page:
                return
            after = found[-1].key

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        await asyncio.sleep(_pause_s(attempt, at_least_s=at_least_s))

    async def _get(self, key: str, unless: str | None, limit: asyncio.Timeout) -> tuple[Bytes, str] | Signs:
        options: GetOptions = {"if_none_match": unless} if unless else {}
        result = await self._read_store.get_async(self._prefix + key, options=options)
        size, etag = result.meta["size"], result.meta["e_tag"]
        # For all of it, as it costs too much to take it in pieces; one that stalls ends sooner, by the client's limit.
        longest_s = (1 + size // _CHUNK) * self._settings.read_timeout_s
        limit.reschedule(asyncio.get_running_loop().time() + longest_s)
        body = await result.bytes_async()
        if len(body) != size:
            return Signs(broken="the connection broke")
        return (body, etag) if etag else Signs(200, "NoETag")

    async def _list(self, prefix: str, after: str, limit: asyncio.Timeout) -> tuple[Listed, ...]:
        """One page. A new listing for each, so that it can be tried again."""
        folder = self._prefix + prefix[: prefix.rfind("/") + 1]
        offset = self._prefix + after if after else None
        async for page in self._read_store.list(folder or None, offset=offset, chunk_size=self._page):
            return tuple(self._listed(each) for each in page)
        return ()

    def _listed(self, meta: ObjectMeta) -> Listed:
        key = meta["path"].removeprefix(self._prefix)
        return Listed(key, meta["e_tag"] or "", meta["size"], meta["last_modified"])

    async def _put(self, key: str, data: bytes, mode: PutMode) -> str:
        async def work(limit: asyncio.Timeout) -> str | None:
            return (await self._store.put_async(self._prefix + key, data, mode=mode, use_multipart=False))["e_tag"]

        self.health.check()
        limit_s = self._settings.write_timeout_s + len(data) / _CHUNK
        await self._paces.take(key, longest_s=limit_s)
        done = await _attempt(work, limit_s=limit_s)
        if isinstance(done, str):
            return done
        seen = done or Signs(200, "NoETag")
        if seen.conflict:
            raise Conflict
        if seen.full:
            raise full(self._settings.bucket, seen)
        if seen.status == 403 and seen.code in ("", "AccessDenied"):
            self.health.suspect()
            raise read_only(self._settings.bucket)
        raise self._refusal(seen)

    async def _read(
        self, work: Callable[[asyncio.Timeout], Awaitable[_T | Signs]], *, listing: bool = False
    ) -> _T | Signs:
        """What the work gives, or the signs of an answer that is none of failure: not modified, no such object."""
        return await self._retried(
            work,
            deadline_s=self._settings.read_deadline_s,
            check=self.health.check,
            failed=self.health.suspect,
            listing=listing,
        )

    async def _probe(self, limit_s: float) -> None:
        def nothing() -> None: ...

        await self._retried(
            lambda limit: self._get(LIBRARY, None, limit), deadline_s=limit_s, check=nothing, failed=nothing
        )

    async def _retried(
        self,
        work: Callable[[asyncio.Timeout], Awaitable[_T | Signs]],
        *,
        deadline_s: float,
        check: Callable[[], None],
        failed: Callable[[], None],
        listing: bool = False,
    ) -> _T | Signs:
        end = time.monotonic() + deadline_s
        attempt = 0
        while True:
            check()
            left_s = max(end - time.monotonic(), 0.0)
            done = await _attempt(work, limit_s=min(self._settings.read_timeout_s, left_s))
            if not isinstance(done, Signs) or done.status == 304 or done.missing:
                return done
            failed()
            why = self._cause(done, listing=listing)
            pause_s = _pause_s(attempt, at_least_s=why.retry_after_s)
            attempt += 1
            if not why.passing or attempt == self._settings.attempts or time.monotonic() + pause_s >= end:
                raise unavailable(why)
            await asyncio.sleep(pause_s)

    def _refusal(self, seen: Signs) -> Doubtful | Unavailable:
        self.health.suspect()
        why = self._cause(seen)
        if left_open(seen, why):
            return Doubtful(why.message, retry_after_s=max(why.retry_after_s, _PAUSE_S), error=unavailable(why))
        return unavailable(why)

    def _cause(self, seen: Signs, *, listing: bool = False) -> Cause:
        settings = self._settings
        return cause(seen, host=settings.host, bucket=settings.bucket, listing=listing, proxy=self._proxy)


async def _attempt(work: Callable[[asyncio.Timeout], Awaitable[_T]], *, limit_s: float) -> _T | Signs:
    """What the work gives, or what its failure tells. Returned, so that no error of ours drags obstore's text along."""
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await work(limit)
    except Exception as error:  # obstore has a dozen, built-in ones and one that cannot be imported among them
        return signs(error)


def _checked(body: Bytes, etag: str) -> Stored:
    """All that is slow about a large body, in one go: what lies about in between costs more than the copy."""
    data = bytes(body)
    return Stored(data, etag, sha256=hashlib.sha256(data).hexdigest())


def _pause_s(attempt: int, *, at_least_s: float = 0.0) -> float:
    return at_least_s + random.uniform(0.0, min(_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))  # noqa: S311


def _store(settings: Connection, *, stalled_s: float | None = None) -> S3Store:
    """obstore's client. It reads the environment for what is not given, so all is given that could lead it astray.

    Args:
        stalled_s: how long an answer may bring nothing; None for as long as its caller waits.
    """

    def credential() -> S3Credential:
        return {
            "access_key_id": settings.access_key_id,
            "secret_access_key": settings.secret_access_key,
            "token": None,
            "expires_at": None,
        }

    # Each call has a limit of its own, always a shorter one; this one is for a request that has lost its caller.
    longest = timedelta(minutes=5)
    stalled = longest if stalled_s is None else timedelta(seconds=stalled_s)
    return S3Store(
        settings.bucket,
        endpoint=settings.endpoint,
        aws_endpoint_url_s3=settings.endpoint,
        region=settings.region,
        credential_provider=credential,
        virtual_hosted_style_request=False,
        skip_signature=False,
        conditional_put="etag",
        s3_express=False,
        request_payer=False,
        disable_bulk_delete=True,
        client_options={
            "allow_http": settings.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=settings.connect_timeout_s),
            "read_timeout": stalled,
            "timeout": longest,
        },
        retry_config={"max_retries": 0, "retry_timeout": longest},
    )
