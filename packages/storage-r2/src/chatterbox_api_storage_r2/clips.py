"""Clips on their way from the bucket."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from typing import Final

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.bucket import Bucket, StoredObject

__all__ = ["Clips"]

_UNCLAIMED_S: Final = 30.0
"""How long a clip that came too late for its caller is kept for the next one."""


class Clips:
    """Reads clips, one request at a time for each. Used on one event loop.

        clips = Clips(bucket, wait_s=8.0)
        data = await clips.read(record.clip, sha256=voice.sha256)

    It is no `SingleFlight`: a clip never changes, so every request under way has an answer that is young enough, and
    an answer whose callers have left is kept for a while.

    Args:
        bucket: has the clips.
        wait_s: how long a caller waits. A clip that takes longer is fetched to its end, for whoever asks next.
    """

    def __init__(self, bucket: Bucket, *, wait_s: float) -> None:
        self._bucket, self._wait_s = bucket, wait_s
        self._calls: dict[str, asyncio.Task[StoredObject | None]] = {}
        self._unclaimed: dict[asyncio.Task[StoredObject | None], asyncio.TimerHandle] = {}

    async def read(self, key: str, *, sha256: str) -> bytes | None:
        """The clip; None where it is not there, or does not have this SHA-256, at a second attempt either.

        Raises:
            Unavailable: the bucket does not answer; or `storage_slow`, the clip takes longer than `wait_s`.
        """
        for _ in range(2):  # a clip that is damaged on its way may arrive whole the next time
            stored = await self._fetched(key)
            if stored is None:
                return None
            if (stored.sha256 or await asyncio.to_thread(_sha256, stored.data)) == sha256:
                return stored.data
        return None

    async def close(self) -> None:
        """Cancel the requests that are under way."""
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls)

    async def _fetched(self, key: str) -> StoredObject | None:
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = asyncio.create_task(self._bucket.get(key))
            call.add_done_callback(functools.partial(self._arrived, key))
        await asyncio.wait([call], timeout=self._wait_s)
        if not call.done():
            raise Unavailable("The clip is still being fetched.", code="storage_slow", retry_after_s=2)
        self._forget(key, call)
        if call.cancelled():
            raise Unavailable("The voice store is being closed.", code="storage_closed")
        return call.result()

    def _arrived(self, key: str, call: asyncio.Task[StoredObject | None]) -> None:
        if call.cancelled() or call.exception() is not None:  # looked at, also where no caller waits for it any more
            self._forget(key, call)
            return
        self._unclaimed[call] = asyncio.get_running_loop().call_later(_UNCLAIMED_S, self._forget, key, call)

    def _forget(self, key: str, call: asyncio.Task[StoredObject | None]) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]
        if (timer := self._unclaimed.pop(call, None)) is not None:
            timer.cancel()  # a timer keeps its arguments, and so the clip, until it is cancelled


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
