"""A Bucket in memory with R2's semantics, for what needs no network: each call is one atomic request."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.bucket import NotModified, ObjectSummary, PreconditionFailed, StoredObject
from chatterbox_api_storage_r2.circuit_breaker import CircuitBreaker

__all__ = ["MemoryBucket"]

PAGE = 1000


class MemoryBucket:
    """See `bucket.Bucket`.

    Attributes:
        requests: how often each method was called.
        down: raise Unavailable from every call.
        breaker: has no probe, so it never opens.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.requests: Counter[str] = Counter()
        self.down = False
        self.breaker = CircuitBreaker()

    def _request(self, method: str) -> None:
        self.requests[method] += 1
        if self.down:
            raise Unavailable("The bucket does not answer.", code="storage_unreachable")

    def _etag(self, key: str) -> str | None:
        stored = self.objects.get(key)
        return None if stored is None else etag_of(stored[0])

    async def get(self, key: str, *, if_none_match: str | None = None) -> StoredObject | None:
        self._request("get")
        etag = self._etag(key)
        if etag is None:
            return None
        if etag == if_none_match:
            raise NotModified
        return StoredObject(self.objects[key][0], etag)

    async def put_if_absent(self, key: str, data: bytes) -> str:
        self._request("put_if_absent")
        if key in self.objects:
            raise PreconditionFailed
        self.objects[key] = (data, datetime.now(UTC))
        return etag_of(data)

    async def put_if_match(self, key: str, data: bytes, *, etag: str) -> str:
        self._request("put_if_match")
        if self._etag(key) != etag:
            raise PreconditionFailed
        self.objects[key] = (data, datetime.now(UTC))
        return etag_of(data)

    async def delete(self, key: str) -> None:
        self._request("delete")
        self.objects.pop(key, None)

    async def list(self, prefix: str) -> AsyncGenerator[tuple[ObjectSummary, ...], None]:
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        for start in range(0, max(len(keys), 1), PAGE):
            self._request("list")
            page = [(key, self.objects[key]) for key in keys[start : start + PAGE] if key in self.objects]
            yield tuple(ObjectSummary(key, etag_of(data), len(data), modified_at) for key, (data, modified_at) in page)

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        return


def etag_of(data: bytes) -> str:
    """Made of the content alone, as S3 does."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
