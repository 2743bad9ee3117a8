"""One worker as its parent sees it: it sends jobs, receives answers, and enforces deadlines and limits of silence.

    LOADING --ready--> IDLE <--job / answer--> WORKING
       |                |                        |
       +----------------+--- closed, killed -----+--> STOPPING --> EXITED

A process that exits by itself goes to EXITED from any state.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from enum import Enum
from typing import Any, Final

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_worker.frames import LENGTHS, Header, Payload, error_from_frame, frame_start, parse_lengths
from chatterbox_api_worker.pipes import read_payload, skip_payload
from chatterbox_api_worker.process import WorkerProcess
from chatterbox_api_worker.reply import Reply, Result
from chatterbox_api_worker.silence import SilenceTimer
from chatterbox_api_worker.spec import NO_LIMITS, Cause, JobLimits, Timeouts, WorkerExited, WorkerSpec
from chatterbox_api_worker.stderr_tail import describe_exit

__all__ = ["WorkerHandle", "WorkerState"]

_log = logging.getLogger(__name__)

_EXIT_S: Final = 2.0
"""The time for a process to exit after its input was closed, and again after it was killed."""
_DRAIN_S: Final = 0.5
"""The time to read what a process wrote before its exit. It passes where a child of the process holds the pipes."""
_DRAIN_TICK_S: Final = 0.05


class WorkerState(Enum):
    """The states of a worker; the module draws the transitions."""

    LOADING = "loading"
    IDLE = "idle"
    WORKING = "working"
    """It has a job. A cancelled job counts until the worker says that it has stopped."""
    STOPPING = "stopping"
    """It has been closed or killed, and the process has not exited yet."""
    EXITED = "exited"


class WorkerHandle:
    """A running worker. Use `start`; the caller of `start` must `close` it.

        handle = await WorkerHandle.start(spec, timeouts=Timeouts())
        await handle.ready
        async with aclosing(handle.stream({"do": "greet", "name": "Anna"})) as frames:
            async for header, payload in frames:
                ...
        await handle.close("It is no longer needed.")

    Attributes:
        ready: done once the worker takes jobs; raises ChatterboxError where loading fails.
        progress: what the worker does while it loads, in words.
        exited: set once the process has exited and every caller has been told.
    """

    def __init__(self, process: WorkerProcess, spec: WorkerSpec, *, timeouts: Timeouts) -> None:
        self._process, self._spec = process, spec
        self.ready: asyncio.Future[None] = _future()
        self.progress = "starting"
        self.exited = asyncio.Event()
        self._replies: dict[int, Reply] = {}
        self._last_number = 0
        self._working_on: int | None = None
        self._idle = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._pong: asyncio.Future[None] = _future()
        self._silence = SilenceTimer(timeouts)
        self._stop_reason: tuple[str, Cause] | None = None
        self._supervision = asyncio.create_task(self._supervise())

    @classmethod
    async def start(cls, spec: WorkerSpec, *, timeouts: Timeouts) -> WorkerHandle:
        """Start the process and return while it loads.

        Raises:
            Unavailable: the system cannot start the process.
        """
        return cls(await WorkerProcess.start(spec), spec, timeouts=timeouts)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def state(self) -> WorkerState:
        """What the worker is doing now."""
        if self.exited.is_set():
            return WorkerState.EXITED
        if self._stop_reason is not None:
            return WorkerState.STOPPING
        if not self.ready.done():
            return WorkerState.LOADING
        return WorkerState.WORKING if self._replies else WorkerState.IDLE

    @property
    def alive(self) -> bool:
        """Whether it loads, waits or works."""
        return self.state not in (WorkerState.STOPPING, WorkerState.EXITED)

    @property
    def usable(self) -> bool:
        """Whether it takes jobs."""
        return self.state in (WorkerState.IDLE, WorkerState.WORKING)

    @property
    def busy(self) -> bool:
        """Whether it has a job."""
        return self.state is WorkerState.WORKING

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
            WorkerExited: the worker exited, or was killed because of a limit.
            ChatterboxError: what the job raises.
            ValueError: the header or the payload is too long for a frame.
            TypeError: JSON cannot hold the header.
        """
        self._check_usable()
        number = self._last_number + 1
        start = frame_start({**header, "id": number}, payload)  # raises before the job is counted
        self._last_number = number
        self._replies[number] = reply = Reply(limits)
        self._update_idle()
        try:
            self._process.write(start, payload)
            await self._process.drain()
            last = False
            while not last:
                result, last = await reply.take()
                yield result
        finally:
            if not reply.finished and self.usable:
                self._process.write(frame_start({"id": number, "do": "cancel"}))
            reply.abandon()

    async def ping(self) -> None:
        """Wait for the answer to a ping. After `ping_s` without one the worker is killed, even if the caller has left.

        Returns at once where a caller is behind with reading: the answer would stand behind frames that wait.

        Raises:
            WorkerExited: the worker did not answer and was killed, or exited otherwise.
        """
        self._check_usable()
        if self._silence.paused and self._process.exit_code is None:
            return
        if not self._silence.ping_pending:
            self._pong = _future()
            self._silence.ping_sent()
            self._process.write(frame_start({"do": "ping"}))
        await asyncio.shield(self._pong)

    async def wait_idle(self, within_s: float) -> None:
        """Wait until the worker has no job. After `within_s` seconds the worker is killed."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            self._stop(
                f"The {self._spec.name} did not end a cancelled job within {within_s:g} s and was stopped.",
                Cause.UNRESPONSIVE,
            )

    async def close(self, reason: str, cause: Cause = Cause.CLOSED) -> None:
        """Close the input of the process, and kill the process where it does not exit within 2 s. Takes at most 4 s.

        Args:
            reason: the message of the WorkerExited that callers get; a sentence.
            cause: the cause of that error.
        """
        self._stop_reason = self._stop_reason or (reason, cause)
        self._process.close_input()
        await asyncio.wait((self._supervision,), timeout=_EXIT_S)
        if not self._supervision.done():
            self._process.kill()
            await asyncio.wait((self._supervision,), timeout=_EXIT_S)
            self._supervision.cancel()
            await self.exited.wait()

    async def _supervise(self) -> None:
        """Read frames until the process exits; then fail every pending job with the reason."""
        reading, watching, lines = (
            asyncio.create_task(work)
            for work in (self._read_frames(), self._watchdog(), self._process.stderr_tail.read())
        )
        try:
            await asyncio.wait((reading, watching), return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            if not await self._process.exits(_EXIT_S):
                self._process.kill()
                await self._process.exits(_EXIT_S)
            await self._read_rest(reading, lines)
        finally:
            for task in (reading, watching, lines):
                task.cancel()
            self._process.kill()
            self._record_exit(self._process.exit_code)
            self._process.close_pipes()
            self.exited.set()
            await asyncio.gather(reading, watching, lines, return_exceptions=True)

    async def _read_rest(self, *readers: asyncio.Task[None]) -> None:
        """Wait until everything that the process wrote before its exit is read.

        The time counts only while the handle reads: a caller that is behind may take as long as it likes.
        """
        left_s = _DRAIN_S
        while left_s > 0 and not all(reader.done() for reader in readers):
            await asyncio.wait(readers, timeout=_DRAIN_TICK_S, return_when=asyncio.ALL_COMPLETED)
            if not self._silence.paused or self._stop_reason is not None:
                left_s -= _DRAIN_TICK_S

    async def _watchdog(self) -> None:
        """Kill the process once it has been silent for too long. Ends when the process exits."""
        while self._process.exit_code is None:
            tick_s = self._silence.tick_s
            await asyncio.sleep(tick_s)
            if (limit_s := self._silence.count(tick_s)) is not None:
                phase = "" if self._silence.loaded else " while loading"
                reason = f"The {self._spec.name} did not respond for {limit_s:g} s{phase} and was stopped."
                self._stop(reason, Cause.UNRESPONSIVE)
                return

    async def _read_frames(self) -> None:
        source = self._process.stdout
        try:
            while self._stop_reason is None or self._stop_reason[1] is Cause.CLOSED:
                header_bytes, payload_bytes = parse_lengths(await source.readexactly(LENGTHS.size))
                header = json.loads(await source.readexactly(header_bytes))
                number, event = header.get("id"), header["event"]
                reply = self._replies.get(number)
                if reply is None or reply.abandoned:
                    await skip_payload(source, payload_bytes)
                    self._dispatch(number, event, header, memoryview(b""))
                elif reply.reserve(payload_bytes):
                    self._dispatch(number, event, header, await read_payload(source, payload_bytes))
                    await self._wait_for_room(reply)
                else:
                    self._stop(
                        f"The {self._spec.name} sent too large an answer and was stopped.", Cause.ANSWER_TOO_LARGE
                    )
        except (asyncio.IncompleteReadError, OSError):
            return
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._stop(f"The {self._spec.name} sent an invalid frame and was stopped.", Cause.INVALID_FRAME)

    async def _wait_for_room(self, reply: Reply) -> None:
        """Stop reading while the caller is behind, so that the worker blocks on its pipe.

        This is no silence of the worker. The frame that has just arrived answers a pending ping, since the real answer
        stands behind frames that are not read.
        """
        if not reply.is_full:
            return
        self._silence.paused = True
        self._end_ping(None)
        await reply.wait_for_room()
        self._silence.paused = False

    def _dispatch(self, number: int | None, event: str, header: Header, payload: memoryview) -> None:
        self._silence.frame_received()
        if event == "pong":
            self._end_ping(None)
        elif number is None:
            self._dispatch_loading(event, header)
        elif event == "working":
            self._job_started(number)
        elif event == "piece":
            self._replies[number].put((header, payload), last=False)
        else:
            self._job_ended(number, None if event == "done" else error_from_frame(header), (header, payload))

    def _dispatch_loading(self, event: str, header: Header) -> None:
        if event == "loading":
            self.progress = str(header["text"])
            _log.info("%s: %s", self._spec.title, self.progress)
        elif event == "ready" and not self.ready.done():
            self.ready.set_result(None)
            self._silence.loaded = True
            self._update_idle()
        elif event == "failed":
            self._stop_reason = self._stop_reason or (str(header["message"]), Cause.LOAD_FAILED)
            if not self.ready.done():
                self.ready.set_exception(error_from_frame(header))

    def _job_started(self, number: int) -> None:
        if number == self._working_on:
            return
        self._working_on, self._silence.job_running = number, True
        deadline_s = self._replies[number].limits.deadline_s
        if deadline_s is not None:
            reason = f"The {self._spec.name} took longer than {deadline_s:g} s and was stopped."
            self._deadline = asyncio.get_running_loop().call_later(deadline_s, self._stop, reason, Cause.DEADLINE)

    def _job_ended(self, number: int, error: Exception | None, result: Result) -> None:
        """Hand an answer to its caller. The job may have been cancelled before it started."""
        reply = self._replies.pop(number)
        if number == self._working_on:
            self._working_on, self._silence.job_running = None, False
            self._cancel_deadline()
        if error is None:
            reply.put(result, last=True)
        else:
            reply.fail(error)
        self._update_idle()

    def _end_ping(self, error: Exception | None) -> None:
        self._silence.ping_pending = False
        if not self._pong.done():
            self._pong.set_result(None) if error is None else self._pong.set_exception(error)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _update_idle(self) -> None:
        self._silence.frame_expected = bool(self._replies)
        if self._replies:
            self._idle.clear()
        else:
            self._idle.set()

    def _stop(self, reason: str, cause: Cause) -> None:
        """Kill the process and fail every pending job at once, without waiting for the exit."""
        self._stop_reason = self._stop_reason or (reason, cause)
        self._process.kill()
        self._fail_pending(*self._stop_reason)

    def _record_exit(self, code: int | None) -> None:
        self._stop_reason = self._stop_reason or (f"The {self._spec.name} {describe_exit(code)}.", Cause.CRASHED)
        reason, cause = self._stop_reason
        if cause not in (Cause.CLOSED, Cause.LOAD_FAILED):
            level = logging.WARNING if cause is Cause.DEADLINE else logging.ERROR
            _log.log(level, "%s: %s Its last lines: %s", self._spec.title, reason, self._process.stderr_tail)
        self._fail_pending(reason, cause)

    def _fail_pending(self, reason: str, cause: Cause) -> None:
        self._cancel_deadline()
        if not self.ready.done():
            code = cause.code(self._spec.code_prefix)
            self.ready.set_exception(Unavailable(reason, code=code, retry_after_s=10))
        self._end_ping(self._exit_error(reason, cause))
        for number, reply in self._replies.items():
            started = number == self._working_on
            other = not started and self._working_on is not None
            reply.fail(self._exit_error(reason, cause, started=started, other_started=other))
        self._replies.clear()
        self._idle.set()

    def _check_usable(self) -> None:
        if not self.usable:
            raise self._exit_error(*(self._stop_reason or (f"The {self._spec.name} has exited.", Cause.CRASHED)))

    def _exit_error(
        self, reason: str, cause: Cause, *, started: bool = False, other_started: bool = False
    ) -> WorkerExited:
        code = cause.code(self._spec.code_prefix)
        return WorkerExited(reason, cause=cause, code=code, started=started, other_started=other_started)


def _future() -> asyncio.Future[Any]:
    """A future whose error asyncio does not report when nobody retrieves it."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
