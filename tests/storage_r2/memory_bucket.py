"""A Bucket in memory with R2's semantics, for what needs no network: each call is one atomic request."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.bucket import Conflict, Listed, Stored, Unchanged

__all__ = ["MemoryBucket"]

PAGE = 1000


class MemoryBucket:
    """See `bucket.Bucket`.

    Attributes:
        requests: how often each method was called.
        down: raise Unavailable from every call.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.requests: Counter[str] = Counter()
        self.down = False

    def _request(self, method: str) -> None:
        self.requests[method] += 1
        if self.down:
            raise Unavailable("The bucket does not answer.", code="storage_unreachable")

    def _etag(self, key: str) -> str | None:
        stored = self.objects.get(key)
        return None if stored is None else etag_of(stored[0])

    async def get(self, key: str, *, unless: str | None = None) -> Stored | None:
        self._request("get")
        etag = self._etag(key)
        if etag is None:
            return None
        if etag == unless:
            raise Unchanged
        return Stored(self.objects[key][0], etag)

    async def create(self, key: str, data: bytes) -> str:
        self._request("create")
        if key in self.objects:
            raise Conflict
        self.objects[key] = (data, datetime.now(UTC))
        return etag_of(data)

    async def swap(self, key: str, data: bytes, *, etag: str) -> str:
        self._request("swap")
        if self._etag(key) != etag:
            raise Conflict
        self.objects[key] = (data, datetime.now(UTC))
        return etag_of(data)

    async def delete(self, key: str) -> None:
        self._request("delete")
        self.objects.pop(key, None)

    async def list(self, prefix: str) -> AsyncGenerator[tuple[Listed, ...], None]:
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        for start in range(0, max(len(keys), 1), PAGE):
            self._request("list")
            page = [(key, self.objects[key]) for key in keys[start : start + PAGE] if key in self.objects]
            yield tuple(Listed(key, etag_of(data), len(data), modified_at) for key, (data, modified_at) in page)

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        return


def etag_of(data: bytes) -> str:
    """Made of the content alone, as S3 does."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
