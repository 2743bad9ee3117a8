"""Keeps one worker available: starts it on demand or at once, stops it when idle, replaces it when it exits.

    none --job--> loading --ready--> idle <--> working
     ^               |                 |          |
     +--- failed, hung, killed, idle --+----------+

The job that runs when a worker exits fails with the reason. The jobs that wait behind it are done by the next worker.
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
"""A waiting job fails after so many workers that exited without a running job."""
_MIN_LIFE_S: Final = 1.0
"""A worker that exited sooner is replaced only when the next job comes, so that no loop of starts arises."""
_STOPPING: Final = "The service is stopping."


class Supervisor:
    """Does jobs in one worker at a time. Make it in a running event loop, and `close` it.

        supervisor = Supervisor(WorkerSpec(module="greeter", name="greeter process", title="Greeter"))
        try:
            answer, payload = await supervisor.run({"do": "greet", "name": "Anna"})
        finally:
            await supervisor.close()

    Args:
        spec: how the worker is started.
        timeouts: None means the defaults.
        replace_at_once: whether a worker that exited is replaced at once, rather than when the next job comes.
    """

    def __init__(self, spec: WorkerSpec, *, timeouts: Timeouts | None = None, replace_at_once: bool = False) -> None:
        self._spec, self._timeouts = spec, timeouts or Timeouts()
        self._replace_at_once = replace_at_once
        self._handle: WorkerHandle | None = None
        self._starting: asyncio.Task[WorkerHandle] | None = None
        self._loading_since_s = 0.0
        self._background: set[asyncio.Task[None]] = set()
        self._load_failure: tuple[float, ChatterboxError] | None = None
        self._open_jobs = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The id of the worker's process; None while there is no worker."""
        return self._handle.pid if self._handle is not None and self._handle.alive else None

    @property
    def usable(self) -> bool:
        """Whether a worker is ready, so that a job need not wait for loading."""
        return self._handle is not None and self._handle.usable

    @property
    def busy(self) -> bool:
        """Whether the worker has a job. A cancelled job counts until the worker says that it has stopped."""
        return self._handle is not None and self._handle.busy

    @property
    def open_jobs(self) -> int:
        """The number of callers whose jobs wait or run."""
        return self._open_jobs

    @property
    def load_failure(self) -> ChatterboxError | None:
        """The error of the last load; None once the next job would try again, which is after `retry_s`."""
        if self._load_failure is not None and time.monotonic() < self._load_failure[0]:
            return copy.copy(
                self._load_failure[1]
            )  # an error that is raised repeatedly keeps the frames of all its callers
        return None

    @property
    def slow_load(self) -> ChatterboxError | None:
        """The error that tells how far loading is, once it has taken longer than `wait_s`; else None."""
        waited_s = time.monotonic() - self._loading_since_s
        return self._still_loading() if self._starting is not None and waited_s > self._timeouts.wait_s else None

    async def run(self, header: Header, payload: Payload = b"", *, limits: JobLimits = NO_LIMITS) -> Result:
        """Do a job and return its answer. Cancelling it returns at once and cancels the job at its next checkpoint.

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
        """Do a job. Yields its pieces as they arrive, and its answer last. Closing it cancels the job.

        The worker ends a cancelled job at its next checkpoint.

        Args:
            header: "do" names the job; the rest belongs to the job.
            payload: bytes for the job.
            limits: the limits of this job.

        Raises:
            WorkerExited: the worker exited while it did this job, or was killed because of a limit.
            Unavailable: no worker can be started, or loading takes longer than `wait_s`.
            ChatterboxError: what loading or the job raises.
        """
        self._open_jobs += 1
        self._cancel_idle_timer()
        try:
            async with aclosing(self._attempts(header, payload, limits)) as results:
                async for result in results:
                    yield result
        finally:
            self._open_jobs -= 1
            self._start_idle_timer()

    async def start(self) -> None:
        """Start a worker and wait until it is ready.

        Raises:
            Unavailable, ChatterboxError: as `stream`.
        """
        await self._ready_handle()

    async def check(self, *, within_s: float) -> None:
        """Return once the worker has answered a ping, which it does also during a job. Start one where there is none.

        A worker that does not answer within `ping_s` is killed, even after this method has raised.

        Args:
            within_s: how long to wait for the answer, in seconds.

        Raises:
            Unavailable: no worker can be started, or the worker does not answer in time.
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

    async def wait_idle(self) -> None:
        """Wait until the worker has no job. After `cancel_s` the worker is killed."""
        if self._handle is not None and self._handle.alive:
            await self._handle.wait_idle(self._timeouts.cancel_s)

    async def close(self) -> None:
        """Stop the worker, whatever it is doing. Jobs that run or wait fail. Takes at most 5 s."""
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
        """The worker, ready for jobs. Callers that come while it loads wait for the same worker."""
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

    async def _replace_after_exit(self, handle: WorkerHandle) -> None:
        began_s = time.monotonic()
        await handle.exited.wait()
        lived_s = time.monotonic() - began_s
        if lived_s > _MIN_LIFE_S and self._handle is handle and not self._closed:
            self._begin_start()

    def _still_loading(self) -> Unavailable:
        progress = "starting" if self._handle is None else self._handle.progress
        return Unavailable(
            f"{self._spec.title} is still loading: {progress}.",
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
            self._in_background(self._replace_after_exit(handle))
        _log.info("%s is ready after %.1f s", self._spec.title, time.monotonic() - began_s)
        return handle

    async def _stop_previous(self) -> None:
        """Wait until the previous process has exited, since two may not fit into memory."""
        if self._handle is not None:
            await self._handle.close(f"The {self._spec.name} was replaced.")
        if self._background:
            await asyncio.wait(self._background)

    def _started(self, task: asyncio.Task[WorkerHandle]) -> None:
        self._starting = None
        self._start_idle_timer()  # all callers may have been cancelled meanwhile
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
        if self._timeouts.idle_s and not self._open_jobs and not self._closed:
            self._idle_timer = asyncio.get_running_loop().call_later(self._timeouts.idle_s, self._unload)

    def _unload(self) -> None:
        if self._handle is None or not self._handle.usable:
            return
        _log.info("%s is unloaded after %g s without a job", self._spec.title, self._timeouts.idle_s)
        handle, self._handle = self._handle, None
        self._in_background(handle.close(f"The {self._spec.name} was idle and was stopped."))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in a task, which ends soon after the worker exits."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
