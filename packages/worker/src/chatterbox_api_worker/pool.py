"""Several workers of one kind, each for one caller at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, DeadlineExceeded, Overloaded, Unavailable
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.reply import Result
from chatterbox_api_worker.spec import NO_LIMITS, Cause, JobLimits, Timeouts, WorkerSpec
from chatterbox_api_worker.supervisor import Supervisor

__all__ = ["WorkerPool"]

_CHECK_S: Final = 2.0


class WorkerPool:
    """Use `open`. Callers take turns in the order in which they came.

    Args:
        size: workers, each a process of its own.
        max_waiting: callers that may wait for one.
        max_wait_s: for one, before a caller is refused.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        *,
        size: int,
        timeouts: Timeouts | None = None,
        max_waiting: int = 64,
        max_wait_s: float = 60.0,
    ) -> None:
        self._spec, self._max_waiting, self._max_wait_s = spec, max_waiting, max_wait_s
        self._overloaded = f"{spec.code_prefix}_overloaded"
        self._workers = tuple(Supervisor(spec, timeouts=timeouts, replace_at_once=True) for _ in range(size))
        self._free = list(self._workers)
        self._slots = asyncio.Semaphore(size)
        self._waiting = 0
        self._settling: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        spec: WorkerSpec,
        *,
        size: int,
        timeouts: Timeouts | None = None,
        max_waiting: int = 64,
        max_wait_s: float = 60.0,
    ) -> AsyncGenerator[WorkerPool, None]:
        """All workers, started, for as long as the context lasts. Raises ChatterboxError where one does not start."""
        pool = cls(spec, size=size, timeouts=timeouts, max_waiting=max_waiting, max_wait_s=max_wait_s)
        try:
            await pool._start()
            yield pool
        finally:
            await pool._close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers that there are."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[Supervisor, None]:
        """A worker of the caller's own, for as long as the context lasts.

        What the caller leaves undone is stopped afterwards; the worker takes no other caller before that.

        Raises:
            Overloaded: too many wait already.
            DeadlineExceeded: none has become free in time.
        """
        await self._wait_for_slot()
        worker = next((each for each in self._free if each.usable), self._free[0])
        self._free.remove(worker)
        try:
            yield worker
        finally:
            if worker.busy:
                task = asyncio.create_task(self._settle(worker))
                self._settling.add(task)
                task.add_done_callback(self._settling.discard)
            else:
                self._release(worker)

    async def run(self, header: Header, payload: Payload = b"", *, limits: JobLimits = NO_LIMITS) -> Result:
        """Have a job done by the next free worker. Raises as `lease` and `Supervisor.stream` do."""
        async with self.lease() as worker:
            return await worker.run(header, payload, limits=limits)

    async def check(self) -> None:
        """Return as soon as one worker gives a sign of life; those that give none are replaced.

        Raises:
            Unavailable: none has given one within 2 s.
        """
        checks = [asyncio.create_task(worker.check(within_s=_CHECK_S)) for worker in self._workers]
        try:
            for check in asyncio.as_completed(checks):
                with contextlib.suppress(ChatterboxError):
                    return await check
        finally:
            for task in checks:
                task.cancel()
            await asyncio.gather(*checks, return_exceptions=True)
        raise Unavailable(
            f"No {self._spec.name} responds.", code=Cause.CLOSED.code(self._spec.code_prefix), retry_after_s=5
        )

    async def _start(self) -> None:
        """Start all at once. Raises what the first of them that fails says."""
        starts = await asyncio.gather(*(worker.start() for worker in self._workers), return_exceptions=True)
        for error in starts:
            if error is not None:
                raise error

    async def _wait_for_slot(self) -> None:
        if self._slots.locked() and self._waiting >= self._max_waiting:
            raise Overloaded(
                f"{self._waiting} jobs wait for a {self._spec.name} already.",
                code=self._overloaded,
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise DeadlineExceeded(
                f"No {self._spec.name} was free within {self._max_wait_s:g} s.",
                code=self._overloaded,
            ) from None
        finally:
            self._waiting -= 1

    async def _settle(self, worker: Supervisor) -> None:
        try:
            await worker.settle()
        finally:
            self._release(worker)

    def _release(self, worker: Supervisor) -> None:
        self._free.append(worker)
        self._slots.release()

    async def _close(self) -> None:
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._workers))
