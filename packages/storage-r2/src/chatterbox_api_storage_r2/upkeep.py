"""What goes on in the background: the mirror is filled, replaced clips go, and left-over objects are swept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_storage_r2.bucket import Bucket, Doubtful
from chatterbox_api_storage_r2.documents import Lost, read, write
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.records import SWEEPS

__all__ = ["Upkeep", "sweep"]

_log = logging.getLogger(__name__)

_LAST: Final = f"{SWEEPS}last.json"


async def sweep(
    bucket: Bucket, library: BucketLibrary, mirror: Mirror, *, age: timedelta, at_most_every: timedelta
) -> int:
    """Remove what has been left over for `age`; how much that was. Servers take turns: one sweeps for all.

    An object is written first and its time is read back, so that ages are told by the server's clock alone.
    """
    last = await read(bucket, _LAST)
    if last is not None and last.body.get("at", 0.0) > time.time() - at_most_every.total_seconds():
        return 0
    try:
        await write(bucket, _LAST, {"at": time.time()}, over=last)
    except Lost:
        return 0
    now = None
    async for page in bucket.list(SWEEPS):
        now = next((listed.modified_at for listed in page if listed.key == _LAST), now)
    if now is None:
        return 0

    async def clip_of(voice_id: str) -> str | None:
        seen = await mirror.get(voice_id)
        return None if seen is None else seen.record.clip

    return await library.sweep(before=now - age, clip_of=clip_of)


class Upkeep:
    """Owns the tasks of a store. None of them lets an error out; each logs what it could not do."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, object], *, what: str) -> None:
        """Do this in the background, until it is done or the store is closed."""
        task = asyncio.create_task(self._do(work, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled at once has not begun it

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _do(self, work: Coroutine[Any, Any, object], what: str) -> None:
        try:
            await work
        except (ChatterboxError, Doubtful) as error:
            _log.info("%s: %s", what, error)
        except Exception:
            _log.exception("%s", what)
