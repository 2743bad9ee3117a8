"""The store's session with one library: it joins the library, reads it, and says whether it can be used.

A start joins the library that is in the bucket. Where the bucket is unavailable the session tries again in the
background; until then the last known state of the mirror is read, if there is one, and nothing is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from chatterbox_api_core.errors import ChatterboxError, StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import Bucket, OutcomeUnknown
from chatterbox_api_storage_r2.errors import startup_error
from chatterbox_api_storage_r2.library_identity import read_or_create_identity
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.protocol import BucketLibrary
from chatterbox_api_storage_r2.reader import DEFAULT_FRESHNESS, Freshness, Reader
from chatterbox_api_storage_r2.readiness import Readiness
from chatterbox_api_storage_r2.server_checks import check_conditions, check_writes
from chatterbox_api_storage_r2.timeouts import DEFAULT_TIMEOUTS, Timeouts

__all__ = ["BackgroundTasks", "Session"]

_log = logging.getLogger(__name__)


class BackgroundTasks:
    """Owns tasks that nothing waits for. None of them lets an error out; each failure is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, object], *, failure: str) -> None:
        """Do this work until it is done, or until `close`.

        Args:
            work: what to do.
            failure: what the log says where the work fails, before the error.
        """
        task = asyncio.create_task(self._run(work, failure))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled before it runs never awaits it

    async def close(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, work: Coroutine[Any, Any, object], failure: str) -> None:
        try:
            await work
        except (ChatterboxError, OutcomeUnknown) as error:
            _log.info("%s: %s", failure, error)
        except Exception:
            _log.exception("%s", failure)


class Session:
    """A session with the library that is in a bucket. Used on one event loop.

        session = Session(bucket, mirror)
        await session.join(retry_every_s=5.0)
        record = await session.reader.find("anna")

    Args:
        bucket: has the library.
        mirror: becomes the copy of it.
        freshness: how old an answer may be.
        timeouts: how long a caller waits.
        probes_conditions: whether joining tries that the server keeps the conditions of writes.

    Attributes:
        library: the operations on it.
        tasks: what goes on in the background; ends with the session.
    """

    def __init__(
        self,
        bucket: Bucket,
        mirror: Mirror,
        *,
        freshness: Freshness = DEFAULT_FRESHNESS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        probes_conditions: bool = False,
    ) -> None:
        self._bucket, self._mirror = bucket, mirror
        self._freshness, self._timeouts, self._probes_conditions = freshness, timeouts, probes_conditions
        self.library = BucketLibrary(bucket)
        self.tasks = BackgroundTasks()
        self._readiness = Readiness(self._check)
        self._reader: Reader | None = None
        self._is_joined = False
        self._write_failed = False
        self._cause: ChatterboxError = Unavailable("The bucket has not been read yet.", code="storage_loading")
        """Why the library has not been joined yet."""

    @property
    def reader(self) -> Reader:
        """Reads the library.

        Raises:
            Unavailable: the library has not been joined, and the mirror knows none.
        """
        self.check_readable()
        assert self._reader is not None  # noqa: S101
        return self._reader

    def check_readable(self) -> None:
        """Return if there is a library to read. Raises what `reader` raises."""
        if self._reader is None:
            raise self._not_joined()

    async def ready(self) -> None:
        """Return if the library can be used as a whole.

        Raises:
            Unavailable: it cannot; with the cause.
        """
        self._bucket.breaker.check()
        if not self._is_joined:
            raise self._not_joined()
        await self._readiness.check()

    def report_list_failure(self) -> None:
        """Say that a list has failed: the next `ready` checks."""
        self._readiness.invalidate()

    def report_write(self, *, failed: bool) -> None:
        """Say how a write has ended. After a failure the next `ready` checks, writes included."""
        self._write_failed = failed
        if failed:
            self._readiness.invalidate()

    async def join(self, *, retry_every_s: float) -> None:
        """Join the library in the bucket, now or, where waiting may help, in the background.

        Raises:
            ConfigurationError: waiting cannot help.
        """
        try:
            await self._join()
        except ChatterboxError as error:
            stop = startup_error(error)
            if stop is not None:
                raise stop from error
            self._cause = error
            _log.warning("voices cannot be read from the bucket yet: %s", error)
            if (library_id := await self._mirror.library_id()) is not None:
                self._read(library_id)
            self.tasks.start(self._join_later(retry_every_s), failure="the library is not joined any more")

    async def close(self) -> None:
        """End everything that goes on in the background."""
        await self._readiness.close()
        await self.tasks.close()
        if self._reader is not None:
            await self._reader.close()

    async def _join(self) -> None:
        library_id = await read_or_create_identity(self._bucket, lost=await self._lost())
        if self._probes_conditions:
            await self._probe_conditions()
        await self._mirror.begin(library_id)
        if self._reader is None or self._reader.library_id != library_id:
            self._read(library_id)
        self._is_joined = True
        self._readiness.report_ready()
        if self._write_failed:
            self._readiness.invalidate()
        self.tasks.start(self.reader.refresh(), failure="the voices were not read in advance")

    async def _join_later(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await self._join()
            except ChatterboxError as error:
                if error.code != self._cause.code:
                    _log.warning("voices cannot be read from the bucket yet: %s", error)
                self._cause = error
            else:
                _log.warning("voices are read from the bucket now")
                return

    def _read(self, library_id: str) -> None:
        if self._reader is not None:
            self.tasks.start(self._reader.close(), failure="the reader of another library was not closed")
        self._reader = Reader(
            self._bucket,
            self.library,
            self._mirror,
            library_id=library_id,
            freshness=self._freshness,
            timeouts=self._timeouts,
        )

    async def _lost(self) -> StorageFailed | None:
        """The error for a bucket without a library, if the mirror knows voices of the one that was there."""
        if await self._mirror.library_id() is None or not await self._mirror.etags():
            return None
        where = f" ({self._mirror.path})" if self._mirror.path else ""
        return StorageFailed(
            "The bucket holds no library any more, though this server has used one there. Nothing is written to it.",
            code="storage_bucket_changed",
            field="R2_BUCKET_NAME",
            remedy=f"Restore that library. To create a new one, remove the file of the local mirror{where}.",
        )

    async def _probe_conditions(self) -> None:
        try:
            await check_conditions(self._bucket)
        except (Unavailable, StorageFailed) as error:
            # A full bucket, or one whose key may only read, is no reason not to start: its voices can be read.
            if error.code == "storage_unsafe" or (startup_error(error) and not isinstance(error, StorageFailed)):
                raise
            self._write_failed = True
            _log.warning("voices can be read and not changed: %s", error)

    async def _check(self) -> None:
        await self.reader.check()
        if self._write_failed:
            await check_writes(self._bucket)
            self._write_failed = False

    def _not_joined(self) -> Unavailable:
        cause = self._cause
        return Unavailable(cause.message, code=cause.code, field=cause.field, remedy=cause.remedy, retry_after_s=5)
