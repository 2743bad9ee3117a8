"""Where the bucket is, how long it may take, and how often a key may be written."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from chatterbox_api_core.errors import ConfigurationError, Unavailable
from chatterbox_api_storage_r2.endpoints import parsed_endpoint

__all__ = ["Connection", "Paces"]

_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PREFIX: Final = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*(/|$))*")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the bucket is and how to talk to it. ConfigurationError where it cannot be an address or a name.

    Attributes:
        endpoint: the address of the S3 API, without the bucket; as `parsed_endpoint` gives it.
        prefix: what all keys begin with, for a bucket that is shared with other things; slashes are put as needed.
        region: the one that requests are signed for; R2's is `auto`.
        connect_timeout_s: for making a connection, within each of the following.
        read_timeout_s: for each attempt of a read to be answered, and then for each 256 KiB of the answer.
        read_deadline_s: for all attempts of a read to be answered.
        write_timeout_s: for a write, which is tried once; a second more for each 256 KiB.
        attempts: of a read.
        write_interval_s: between two writes of one key; R2 refuses more than one a second.
    """

    endpoint: str
    bucket: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    prefix: str = ""
    region: str = "auto"
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 3.0
    read_deadline_s: float = 8.0
    write_timeout_s: float = 10.0
    attempts: int = 4
    write_interval_s: float = 1.0

    def __post_init__(self) -> None:
        address = parsed_endpoint(self.endpoint, bucket="", any_account=True).address
        _check(address == self.endpoint.rstrip("/"), "R2_ENDPOINT", address)
        _check(_BUCKET.fullmatch(self.bucket) is not None, "R2_BUCKET_NAME", "the name of a bucket")
        plain = _PREFIX.fullmatch(self.prefix.strip("/")) is not None
        _check(plain, "R2_PREFIX", "made of letters, digits, '-', '_', '.' and, between them, '/'")

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc


class Paces:
    """When each key may be written next; it remembers no key for longer than that."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next: dict[str, float] = {}

    async def take(self, key: str, *, longest_s: float) -> None:
        """Wait for one's turn to write. Unavailable if that takes too long."""
        now = time.monotonic()
        while self._next and (oldest := next(iter(self._next.items())))[1] <= now:
            del self._next[oldest[0]]
        turn = max(self._next.pop(key, 0.0), now)
        self._next[key] = turn + self._interval_s
        if turn - now > longest_s:
            self._next[key] = turn
            raise Unavailable("Too many writes of the same thing wait for their turn.", code="storage_busy")
        await asyncio.sleep(turn - now)


def _check(holds: bool, name: str, expected: str) -> None:
    if not holds:
        raise ConfigurationError(f"{name} must be {expected}.", field=name, remedy=f"Change {name}.")
