"""When left-over objects are swept, and by which server."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta
from typing import Final

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_storage_r2.bucket import Bucket, OutcomeUnknown
from chatterbox_api_storage_r2.documents import WriteConflict, read, write
from chatterbox_api_storage_r2.layout import SWEEPS
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary

__all__ = ["sweep", "sweep_regularly"]

_log = logging.getLogger(__name__)

_LAST: Final = f"{SWEEPS}last.json"
_FIRST_AFTER_S: Final = 60.0


async def sweep(
    bucket: Bucket, library: BucketLibrary, mirror: Mirror, *, age: timedelta, at_most_every: timedelta
) -> int:
    """Remove what no voice needs and nothing has written for `age`; how many objects that were.

    Servers take turns: where another one has swept within `at_most_every`, nothing is done.

    Raises:
        Unavailable, StorageFailed, OutcomeUnknown: the bucket failed; the rest stays for the next time.
    """
    last = await read(bucket, _LAST)
    if last is not None and last.body.get("at", 0.0) > time.time() - at_most_every.total_seconds():
        return 0
    try:
        await write(bucket, _LAST, {"at": time.time()}, over=last)
    except WriteConflict:  # another server takes this turn
        return 0
    now = await _server_time(bucket)
    if now is None:
        return 0

    async def clip_of(voice_id: str) -> str | None:
        cached = await mirror.get(voice_id)
        return None if cached is None else cached.record.clip

    return await library.sweep(before=now - age, clip_of=clip_of)


async def sweep_regularly(
    bucket: Bucket, library: BucketLibrary, mirror: Mirror, *, age_s: float, every_s: float
) -> None:
    """Sweep once a minute after the start and then every `every_s` seconds, until cancelled. Failures are logged."""
    await asyncio.sleep(min(_FIRST_AFTER_S, every_s))
    while True:
        age, at_most_every = timedelta(seconds=age_s), timedelta(seconds=every_s / 2)
        try:
            if await mirror.library_id() is not None:  # nothing is swept before it is known which library this is
                await sweep(bucket, library, mirror, age=age, at_most_every=at_most_every)
        except (ChatterboxError, OutcomeUnknown) as error:
            _log.info("left-over objects are not swept now: %s", error)
        await asyncio.sleep(every_s)


async def _server_time(bucket: Bucket) -> datetime | None:
    """The time of the object that has just been written: so ages are measured by the server's clock alone."""
    now = None
    async for page in bucket.list(SWEEPS):
        now = next((listed.modified_at for listed in page if listed.key == _LAST), now)
    return now
