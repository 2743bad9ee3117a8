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
    """Workers that callers lease. Callers get one in the order in which they asked. Use `open`.

        async with WorkerPool.open(spec, size=2) as pool:
            answer, payload = await pool.run({"do": "greet", "name": "Anna"})

    Args:
        size: the number of workers; each is a process.
        timeouts: of each worker; None means the defaults.
        max_waiting: the most callers that may wait for a worker.
        max_wait_s: how long a caller waits for a worker, in seconds.
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
        self._draining: set[asyncio.Task[None]] = set()

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
        """Start all workers, and stop them when the context ends. Arguments are those of the class.

        Raises:
            ChatterboxError: a worker does not start; it is what `Supervisor.start` raises.
        """
        pool = cls(spec, size=size, timeouts=timeouts, max_waiting=max_waiting, max_wait_s=max_wait_s)
        try:
            await pool._start()
            yield pool
        finally:
            await pool._close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the running processes."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[Supervisor, None]:
        """Have a worker to oneself until the context ends.

        A job that still runs then is stopped, and the worker is killed where that takes longer than `cancel_s`. No
        other caller gets the worker before.

        Raises:
            Overloaded: `max_waiting` callers wait already.
            DeadlineExceeded: no worker became free within `max_wait_s`.
        """
        await self._wait_for_slot()
        worker = next((each for each in self._free if each.usable), self._free[0])
        self._free.remove(worker)
        try:
            yield worker
        finally:
            if worker.busy:
                task = asyncio.create_task(self._wait_idle(worker))
                self._draining.add(task)
                task.add_done_callback(self._draining.discard)
            else:
                self._release(worker)

    async def run(self, header: Header, payload: Payload = b"", *, limits: JobLimits = NO_LIMITS) -> Result:
        """Have the next free worker do a job, and return its answer.

        Raises:
            Overloaded, DeadlineExceeded: as `lease`.
            WorkerExited, ChatterboxError: as `Supervisor.stream`.
        """
        async with self.lease() as worker:
            return await worker.run(header, payload, limits=limits)

    async def check(self) -> None:
        """Return as soon as one worker answers a ping. Workers that do not answer are replaced.

        Raises:
            Unavailable: no worker answered within 2 s.
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
        """Start all workers at once. Raises the error of the first that fails."""
        starts = await asyncio.gather(*(worker.start() for worker in self._workers), return_exceptions=True)
        for error in starts:
            if error is not None:
                raise error

    async def _wait_for_slot(self) -> None:
        if self._slots.locked() and self._waiting >= self._max_waiting:
            raise Overloaded(
                f"{self._waiting} jobs already wait for a {self._spec.name}.",
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

    async def _wait_idle(self, worker: Supervisor) -> None:
        try:
            await worker.wait_idle()
        finally:
            self._release(worker)

    def _release(self, worker: Supervisor) -> None:
        self._free.append(worker)
        self._slots.release()

    async def _close(self) -> None:
        for task in self._draining:
            task.cancel()
        await asyncio.gather(*self._draining, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._workers))
