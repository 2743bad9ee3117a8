"""A worker that is there when it is needed: started on demand or at once, stopped when idle, replaced when lost.

    none --job--> loading --ready--> waiting <--> working
     ^               |                  |            |
     +--- failed, hung, killed, idle ---+------------+

A job that was in work when the worker was lost fails, and says so; jobs that waited behind it are done by the next
worker.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, Final

from chatterbox_api_core.errors import ChatterboxError, Unavailable
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.handle import WorkerHandle
from chatterbox_api_worker.reply import Result
from chatterbox_api_worker.spec import NO_LIMITS, Cause, JobLimits, Timeouts, WorkerExited, WorkerSpec

__all__ = ["Supervisor"]

_log = logging.getLogger(__name__)

_MAX_EXITS: Final = 3
"""Workers that may be lost, for no job's sake, under a job that waits; then it fails."""
_MIN_LIFE_S: Final = 1.0
"""A worker that was lost sooner is replaced when the next job comes, so that none is started again and again."""
_STOPPING: Final = "The service is stopping."


class Supervisor:
    """Has one worker at a time. Made in a running event loop; `close` it.

    Args:
        replace_at_once: whether a worker that was lost is replaced before the next job comes.
    """

    def __init__(self, spec: WorkerSpec, *, timeouts: Timeouts | None = None, replace_at_once: bool = False) -> None:
        self._spec, self._timeouts = spec, timeouts or Timeouts()
        self._replace_at_once = replace_at_once
        self._handle: WorkerHandle | None = None
        self._starting: asyncio.Task[WorkerHandle] | None = None
        self._loading_since_s = 0.0
        self._background: set[asyncio.Task[None]] = set()
        self._load_failure: tuple[float, ChatterboxError] | None = None
        self._running = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the worker, while there is one."""
        return self._handle.pid if self._handle is not None and self._handle.alive else None

    @property
    def usable(self) -> bool:
        """Whether a job could begin now."""
        return self._handle is not None and self._handle.usable

    @property
    def busy(self) -> bool:
        """Whether the worker has a job, also one that nobody waits for any more."""
        return self._handle is not None and self._handle.alive and self._handle.busy

    @property
    def load_failure(self) -> ChatterboxError | None:
        """Why the worker cannot be had; None again when the next job would try."""
        if self._load_failure is not None and time.monotonic() < self._load_failure[0]:
            return copy.copy(self._load_failure[1])  # one that is raised again and again holds on to all its callers
        return None

    @property
    def slow_load(self) -> ChatterboxError | None:
        """How far the worker is, once it has been loading for longer than a job would wait."""
        waited_s = time.monotonic() - self._loading_since_s
        return self._still_loading() if self._starting is not None and waited_s > self._timeouts.wait_s else None

    async def run(self, header: Header, payload: Payload = b"", *, limits: JobLimits = NO_LIMITS) -> Result:
        """Have a job done and return its answer. Cancelling it stops the job at its next step, and returns at once.

        Arguments and errors are those of `stream`.
        """
        answer: Result = ({}, memoryview(b""))
        async with aclosing(self.stream(header, payload, limits=limits)) as results:
            async for result in results:
                answer = result
        return answer

    async def stream(
        self, header: Header, payload: Payload = b"", *, limits: JobLimits = NO_LIMITS
    ) -> AsyncGenerator[Result, None]:
        """Have a job done; yield its pieces as they come, the answer last. Closing it stops the job at its next step.

        Args:
            header: names the job as "do"; the rest is the job's own.
            limits: of this job.

        Raises:
            WorkerExited: the worker was lost while it did this job, or was killed because of a limit.
            Unavailable: there is no worker, or not soon.
            ChatterboxError: what loading or the job itself raises.
        """
        self._running += 1
        self._cancel_idle_timer()
        try:
            async with aclosing(self._attempts(header, payload, limits)) as results:
                async for result in results:
                    yield result
        finally:
            self._running -= 1
            self._start_idle_timer()

    async def start(self) -> None:
        """Have a worker ready. Raises as `stream` does."""
        await self._ready_handle()

    async def check(self, *, within_s: float) -> None:
        """Return once the worker has given a sign of life, also in the midst of a job; start one where there is none.

        A worker that gives none for `ping_s` is killed, also after this has returned.

        Raises:
            Unavailable: there is no worker, or it does not respond in time.
            ChatterboxError: what loading raises.
        """
        try:
            async with asyncio.timeout(within_s):
                handle = await self._ready_handle()
                await handle.ping()
        except (TimeoutError, WorkerExited) as error:
            raise Unavailable(
                f"The {self._spec.name} does not respond.",
                code=Cause.UNRESPONSIVE.code(self._spec.code_prefix),
                retry_after_s=self._timeouts.ping_s,
            ) from error

    async def settle(self) -> None:
        """Wait until the worker has no job any more; kill it where that takes longer than `cancel_s`."""
        if self._handle is not None and self._handle.alive:
            await self._handle.settle(self._timeouts.cancel_s)

    async def close(self) -> None:
        """Stop the worker, whatever it is doing. Takes 5 s at the most."""
        self._closed = True
        self._cancel_idle_timer()
        if self._handle is not None:
            await self._handle.close(_STOPPING)
        if self._starting is not None:
            await asyncio.wait((self._starting,))
        if self._background:
            await asyncio.wait(self._background)

    async def _attempts(self, header: Header, payload: Payload, limits: JobLimits) -> AsyncGenerator[Result, None]:
        exits = 0
        while exits < _MAX_EXITS:
            handle = await self._ready_handle()
            try:
                async with aclosing(handle.stream(header, payload, limits=limits)) as results:
                    async for result in results:
                        yield result
                return
            except WorkerExited as error:
                if error.started and not self._closed:
                    raise
                exits += not error.other_started
        raise Unavailable(
            f"The {self._spec.name} exited {_MAX_EXITS} times in a row.",
            code=Cause.CRASHED.code(self._spec.code_prefix),
            retry_after_s=10,
        )

    async def _ready_handle(self) -> WorkerHandle:
        """The worker, ready for jobs; all who ask while it loads wait for the same one."""
        self._check_open()
        if self._handle is not None and self._handle.usable:
            return self._handle
        if self._starting is None and (known := self.load_failure) is not None:
            raise known
        starting = self._begin_start()
        await asyncio.wait((starting,), timeout=self._timeouts.wait_s)
        if not starting.done():
            raise self._still_loading()
        return starting.result()

    def _begin_start(self) -> asyncio.Task[WorkerHandle]:
        if self._starting is None:
            self._starting, self._loading_since_s = asyncio.create_task(self._start()), time.monotonic()
            self._starting.add_done_callback(self._started)
        return self._starting

    async def _replace_when_lost(self, handle: WorkerHandle) -> None:
        began_s = time.monotonic()
        await handle.exited.wait()
        lived_s = time.monotonic() - began_s
        if lived_s > _MIN_LIFE_S and self._handle is handle and not self._closed:
            self._begin_start()

    def _still_loading(self) -> Unavailable:
        progress = "starting" if self._handle is None else self._handle.progress
        return Unavailable(
            f"{self._spec.title} is not in memory yet: {progress}.",
            code=f"{self._spec.code_prefix}_loading",
            retry_after_s=10,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(_STOPPING, code=Cause.CLOSED.code(self._spec.code_prefix))

    async def _start(self) -> WorkerHandle:
        began_s = time.monotonic()
        await self._stop_previous()
        self._check_open()
        handle = await WorkerHandle.start(self._spec, timeouts=self._timeouts)
        self._handle = handle
        try:
            self._check_open()
            await handle.ready
        except BaseException:
            await handle.close(f"The {self._spec.name} could not be loaded.", Cause.LOAD_FAILED)
            raise
        if self._replace_at_once:
            self._in_background(self._replace_when_lost(handle))
        _log.info("%s is ready after %.1f s", self._spec.title, time.monotonic() - began_s)
        return handle

    async def _stop_previous(self) -> None:
        """Wait until no other process of this worker is left: two may not fit into memory."""
        if self._handle is not None:
            await self._handle.close("It is replaced.")
        if self._background:
            await asyncio.wait(self._background)

    def _started(self, task: asyncio.Task[WorkerHandle]) -> None:
        self._starting = None
        self._start_idle_timer()  # whoever asked may have gone meanwhile
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._load_failure = None
        elif isinstance(error, ChatterboxError) and not self._closed:
            self._load_failure = (time.monotonic() + self._timeouts.retry_s, error)
            _log.error("%s cannot be loaded: %s", self._spec.title, error)
        elif not self._closed:
            _log.error("%s cannot be loaded", self._spec.title, exc_info=error)

    def _cancel_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _start_idle_timer(self) -> None:
        self._cancel_idle_timer()
        if self._timeouts.idle_s and not self._running and not self._closed:
            self._idle_timer = asyncio.get_running_loop().call_later(self._timeouts.idle_s, self._unload)

    def _unload(self) -> None:
        if self._handle is None or not self._handle.usable:
            return
        _log.info("%s leaves memory after %g s without a job", self._spec.title, self._timeouts.idle_s)
        handle, self._handle = self._handle, None
        self._in_background(handle.close("It was idle."))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it done; it ends soon after the worker has."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
