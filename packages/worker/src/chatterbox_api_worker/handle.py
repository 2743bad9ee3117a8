"""One worker as its parent sees it: jobs go in, answers come out, silence and deadlines are watched."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_worker.frames import LENGTHS, Header, Payload, error_from_frame, frame_start, parse_lengths
from chatterbox_api_worker.pipes import read_payload, skip_payload
from chatterbox_api_worker.process import WorkerProcess
from chatterbox_api_worker.reply import Reply, Result
from chatterbox_api_worker.silence import Silence
from chatterbox_api_worker.spec import NO_LIMITS, Cause, JobLimits, Timeouts, WorkerExited, WorkerSpec
from chatterbox_api_worker.stderr_tail import describe_exit

__all__ = ["WorkerHandle"]

_log = logging.getLogger(__name__)

_EXIT_S: Final = 2.0
"""For a process to exit after its input was closed, and again after it was killed."""
_DRAIN_S: Final = 0.5
"""For what a process wrote before its exit to be read; longer only where one of its own children holds its pipes."""
_DRAIN_TICK_S: Final = 0.05


class WorkerHandle:
    """A worker that runs. Use `start`; whoever starts it closes it.

    Attributes:
        ready: done when it takes jobs; raises ChatterboxError where it never will.
        progress: what it does to get there, in words.
        exited: set once the process is no more.
    """

    def __init__(self, process: WorkerProcess, spec: WorkerSpec, *, timeouts: Timeouts) -> None:
        self._process, self._spec = process, spec
        self.ready: asyncio.Future[None] = _future()
        self.progress = "starting"
        self.exited = asyncio.Event()
        self._replies: dict[int, Reply] = {}
        self._last_number = 0
        self._working_on: int | None = None
        self._settled = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._pong: asyncio.Future[None] = _future()
        self._silence = Silence(timeouts)
        self._stopped: tuple[str, Cause] | None = None
        self._life = asyncio.create_task(self._supervise())

    @classmethod
    async def start(cls, spec: WorkerSpec, *, timeouts: Timeouts) -> WorkerHandle:
        """Start the process; it is not ready yet. Raises Unavailable where the system starts none."""
        return cls(await WorkerProcess.start(spec), spec, timeouts=timeouts)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it neither has exited nor is about to, as far as is known."""
        return self._stopped is None and not self.exited.is_set()

    @property
    def usable(self) -> bool:
        """Whether it takes jobs."""
        return self.alive and self.ready.done() and self.ready.exception() is None

    @property
    def busy(self) -> bool:
        """Whether it has a job, also one that nobody waits for any more, until it says that it has stopped."""
        return bool(self._replies)

    async def stream(
        self, header: Header, payload: Payload = b"", *, limits: JobLimits = NO_LIMITS
    ) -> AsyncGenerator[Result, None]:
        """Have a job done; yield its pieces as they come, the answer last. Closing it stops the job at its next step.

        Args:
            header: names the job as "do"; the rest is the job's own.
            limits: of this job.

        Raises:
            WorkerExited: the worker was lost, or killed because of a limit.
            ChatterboxError: what the job itself raises.
            ValueError, TypeError: header or payload is too long for a frame, or the header cannot be JSON.
        """
        self._check_usable()
        number = self._last_number + 1
        start = frame_start({**header, "id": number}, payload)  # before the job is counted: it may raise
        self._last_number = number
        self._replies[number] = reply = Reply(limits)
        self._watch_jobs()
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
        """Wait for a sign of life; without one for `ping_s` the worker is killed, whether or not the caller stays.

        A worker that has said more than its caller has taken is alive: no answer could be read before the rest is.

        Raises:
            WorkerExited: it was killed, or was lost otherwise.
        """
        self._check_usable()
        if self._silence.paused and self._process.exit_code is None:
            return
        if not self._silence.ping:
            self._pong = _future()
            self._silence.pinged()
            self._process.write(frame_start({"do": "ping"}))
        await asyncio.shield(self._pong)

    async def settle(self, within_s: float) -> None:
        """Wait until it has no job; kill it where that takes longer."""
        try:
            async with asyncio.timeout(within_s):
                await self._settled.wait()
        except TimeoutError:
            self._stop(
                f"The {self._spec.name} did not stop a job within {within_s:g} s and was stopped.", Cause.UNRESPONSIVE
            )

    async def close(self, reason: str, cause: Cause = Cause.CLOSED) -> None:
        """Ask the process to exit, by closing its input, and see to it that it does. Takes 4 s at the most."""
        self._stopped = self._stopped or (reason, cause)
        self._process.close_input()
        await asyncio.wait((self._life,), timeout=_EXIT_S)
        if not self._life.done():
            self._process.kill()
            await asyncio.wait((self._life,), timeout=_EXIT_S)
            self._life.cancel()
            await self.exited.wait()

    async def _supervise(self) -> None:
        """Read what the worker says until it is gone; then everybody who waits is told why."""
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
        """Wait until all is read that was written before the exit. A caller who is behind may take his time for it."""
        left_s = _DRAIN_S
        while left_s > 0 and not all(reader.done() for reader in readers):
            await asyncio.wait(readers, timeout=_DRAIN_TICK_S, return_when=asyncio.ALL_COMPLETED)
            if not self._silence.paused or self._stopped is not None:
                left_s -= _DRAIN_TICK_S

    async def _watchdog(self) -> None:
        """Until the process has exited, or has been silent for too long while something was expected of it."""
        while self._process.exit_code is None:
            tick_s = self._silence.tick_s
            await asyncio.sleep(tick_s)
            if (limit_s := self._silence.count(tick_s)) is not None:
                doing = "" if self._silence.loaded else " while loading"
                reason = f"The {self._spec.name} did not respond for {limit_s:g} s{doing} and was stopped."
                self._stop(reason, Cause.UNRESPONSIVE)
                return

    async def _read_frames(self) -> None:
        source = self._process.stdout
        try:
            while self._stopped is None or self._stopped[1] is Cause.CLOSED:
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
                    self._stop(f"The {self._spec.name} answered with too much and was stopped.", Cause.ANSWER_TOO_LARGE)
        except (asyncio.IncompleteReadError, OSError):
            return
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._stop(f"The {self._spec.name} sent an invalid frame and was stopped.", Cause.INVALID_FRAME)

    async def _wait_for_room(self, reply: Reply) -> None:
        """Leave the worker standing at its pipe while the caller is behind; its silence is not its own then.

        The frame that has just come is a sign of life; what answers a ping stands behind it.
        """
        if not reply.is_full:
            return
        self._silence.paused = True
        self._end_ping(None)
        await reply.room()
        self._silence.paused = False

    def _dispatch(self, number: int | None, event: str, header: Header, payload: memoryview) -> None:
        self._silence.heard()
        if event == "pong":
            self._end_ping(None)
        elif number is None:
            self._dispatch_loading(event, header)
        elif event == "working":
            self._begin(number)
        elif event == "piece":
            self._replies[number].put((header, payload), last=False)
        else:
            self._end(number, None if event == "done" else error_from_frame(header), (header, payload))

    def _dispatch_loading(self, event: str, header: Header) -> None:
        if event == "loading":
            self.progress = str(header["text"])
            _log.info("%s: %s", self._spec.title, self.progress)
        elif event == "ready" and not self.ready.done():
            self.ready.set_result(None)
            self._silence.loaded = True
            self._watch_jobs()
        elif event == "failed":
            self._stopped = self._stopped or (str(header["message"]), Cause.LOAD_FAILED)
            if not self.ready.done():
                self.ready.set_exception(error_from_frame(header))

    def _begin(self, number: int) -> None:
        if number == self._working_on:
            return
        self._working_on, self._silence.working = number, True
        deadline_s = self._replies[number].limits.deadline_s
        if deadline_s is not None:
            reason = f"The {self._spec.name} took longer than {deadline_s:g} s and was stopped."
            self._deadline = asyncio.get_running_loop().call_later(deadline_s, self._stop, reason, Cause.DEADLINE)

    def _end(self, number: int, error: Exception | None, result: Result) -> None:
        """Of a job, also of one that was cancelled before it began."""
        reply = self._replies.pop(number)
        if number == self._working_on:
            self._working_on, self._silence.working = None, False
            self._cancel_deadline()
        if error is None:
            reply.put(result, last=True)
        else:
            reply.fail(error)
        self._watch_jobs()

    def _end_ping(self, error: Exception | None) -> None:
        self._silence.ping = False
        if not self._pong.done():
            self._pong.set_result(None) if error is None else self._pong.set_exception(error)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_jobs(self) -> None:
        self._silence.expected = self.busy
        if self.busy:
            self._settled.clear()
        else:
            self._settled.set()

    def _stop(self, reason: str, cause: Cause) -> None:
        """Kill the process, and tell those who wait at once."""
        self._stopped = self._stopped or (reason, cause)
        self._process.kill()
        self._fail_pending(*self._stopped)

    def _record_exit(self, code: int | None) -> None:
        self._stopped = self._stopped or (f"The {self._spec.name} {describe_exit(code)}.", Cause.CRASHED)
        reason, cause = self._stopped
        if cause not in (Cause.CLOSED, Cause.LOAD_FAILED):
            level = logging.WARNING if cause is Cause.DEADLINE else logging.ERROR
            _log.log(level, "%s: %s Its last lines: %s", self._spec.title, reason, self._process.stderr_tail)
        self._fail_pending(reason, cause)

    def _fail_pending(self, reason: str, cause: Cause) -> None:
        self._cancel_deadline()
        if not self.ready.done():
            code = cause.code(self._spec.code_prefix)
            self.ready.set_exception(Unavailable(reason, code=code, retry_after_s=10))
        self._end_ping(self._lost(reason, cause))
        for number, reply in self._replies.items():
            started = number == self._working_on
            other = not started and self._working_on is not None
            reply.fail(self._lost(reason, cause, started=started, other_started=other))
        self._replies.clear()
        self._settled.set()

    def _check_usable(self) -> None:
        if not self.usable:
            raise self._lost(*(self._stopped or (f"The {self._spec.name} has exited.", Cause.CRASHED)))

    def _lost(self, reason: str, cause: Cause, *, started: bool = False, other_started: bool = False) -> WorkerExited:
        code = cause.code(self._spec.code_prefix)
        return WorkerExited(reason, cause=cause, code=code, started=started, other_started=other_started)


def _future() -> asyncio.Future[Any]:
    """A future whose error nobody has to fetch."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
