"""The worker's side: a process that reads jobs from its standard input and does them one after the other.

    def load(config: Header, report: Progress) -> dict[str, Job]: ...

    if __name__ == "__main__":
        serve(load, on_failure=...)

A second thread reads frames, so that the worker cancels a job and answers a ping while the main thread works. Standard
input and output carry only frames: what a library prints goes to standard error. The process ignores SIGINT and
SIGTERM, which a terminal or a service manager sends to all processes of a service, since its parent may still need it.
It exits as soon as its standard input closes, also when its parent is killed.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import BinaryIO, Final, NoReturn, TypeAlias

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_worker.frames import LENGTHS, Header, Payload, error_to_frame, frame_start, parse_lengths
from chatterbox_api_worker.memory import limit_memory

__all__ = ["FailureHook", "Job", "JobContext", "Load", "Progress", "Worker", "serve"]

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1
"""Of <sys/prctl.h>."""
_HEARTBEAT_S: Final = 0.25
"""The interval of the frames that say that a job goes on; well below any `stall_s`."""

_SKIPPED_BYTES: Final = 2**16

Progress: TypeAlias = Callable[[str], None]
"""Tells the parent in words how far loading is; the text continues "Chatterbox is still loading: ..."."""
Job: TypeAlias = "Callable[[Header, bytes, JobContext], tuple[Header, Payload]]"
"""Turns the header and the payload of a job into those of its answer. A ChatterboxError that it raises is answered."""
Load: TypeAlias = Callable[[Header, Progress], dict[str, Job]]
"""Turns the configuration into the jobs, by the names that "do" has. Called once; it may raise ChatterboxError."""
FailureHook: TypeAlias = Callable[[Exception], tuple[ChatterboxError, bool]]
"""For an exception of a job that is no ChatterboxError: the error to answer, and whether this process can go on."""


class _Cancelled(Exception):
    """The caller no longer waits for the job."""


class JobContext:
    """What a running job can ask and tell. The job uses it in the main thread."""

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker, self._number, self._last_frame_s = worker, number, time.monotonic()

    @property
    def cancelled(self) -> bool:
        """Whether the caller no longer waits for the job."""
        return self._worker.is_cancelled(self._number)

    def checkpoint(self) -> None:
        """End the job here if it was cancelled, else tell the parent that it goes on. Call it between steps."""
        if self.cancelled:
            raise _Cancelled
        if time.monotonic() - self._last_frame_s > _HEARTBEAT_S:
            self._last_frame_s = time.monotonic()
            self._worker.send({"id": self._number, "event": "working"})

    def send(self, header: Header, payload: Payload = b"") -> None:
        """Send a piece of the answer. Blocks while the parent is behind."""
        self._last_frame_s = time.monotonic()
        self._worker.send({**header, "id": self._number, "event": "piece"}, payload)


class Worker:
    """Reads jobs, does them one by one, and sends the answers. `serve` makes one; tests may make their own.

    Args:
        load: returns the jobs by their names; it tells its argument how far it is.
        source: the frames of the parent.
        sink: the frames for the parent.
        on_failure: see FailureHook.
        memory_bytes: how much the address space may grow after loading; None means no limit.
    """

    def __init__(
        self,
        load: Callable[[Progress], dict[str, Job]],
        *,
        source: BinaryIO,
        sink: BinaryIO,
        on_failure: FailureHook,
        memory_bytes: int | None = None,
    ) -> None:
        self._load, self._source, self._sink = load, source, sink
        self._on_failure, self._memory_bytes = on_failure, memory_bytes
        self._jobs: queue.SimpleQueue[tuple[Header, bytes | MemoryError]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._sending = threading.Lock()

    def run(self) -> int:
        """Work until a job leaves the process unusable, and return the exit status.

        The process exits with 0 by itself when `source` ends.
        """
        threading.Thread(target=self._read, daemon=True).start()
        try:
            jobs = self._load(lambda text: self.send({"event": "loading", "text": text}))
        except ChatterboxError as error:
            self.send(error_to_frame(error))
            return 1
        if self._memory_bytes is not None and not limit_memory(self._memory_bytes):
            _log.warning("this system does not limit the memory of a process: a job may use all memory")
        self.send({"event": "ready"})
        while True:
            header, payload = self._jobs.get()
            if self.is_cancelled(header["id"]):
                self.send({"id": header["id"], "event": "cancelled"})
            elif not self._do(jobs[header["do"]], header, payload):
                return 2
            del payload  # it may be large, and the next job may come late
            self._forget(header["id"])

    @property
    def cancellation_count(self) -> int:
        """How many cancellations are remembered: those of jobs that run, wait or have not arrived yet."""
        return len(self._cancelled)

    def is_cancelled(self, number: int) -> bool:
        """Whether the caller of a job no longer waits."""
        return number in self._cancelled

    def send(self, header: Header, payload: Payload = b"") -> None:
        """Send a frame, from any thread."""
        start = frame_start(header, payload)
        with self._sending:
            self._sink.write(start)
            self._sink.write(payload)
            self._sink.flush()

    def _do(self, job: Job, header: Header, payload: bytes | MemoryError) -> bool:
        """Do one job and answer it. Returns False where this process cannot do another job."""
        number = header["id"]
        self.send({"id": number, "event": "working"})
        try:
            if isinstance(payload, MemoryError):
                raise payload
            answer, data = job(header, payload, JobContext(self, number))
            self.send({**answer, "id": number, "event": "done"}, data)
        except _Cancelled:
            self.send({"id": number, "event": "cancelled"})
        except ChatterboxError as error:
            self.send({"id": number} | error_to_frame(error))
        except Exception as failure:
            _log.exception("a job failed")
            answered, usable = self._on_failure(failure)
            self.send({"id": number} | error_to_frame(answered))
            return usable
        return True

    def _forget(self, number: int) -> None:
        """Drop cancellations of jobs up to `number`: numbers rise, and jobs arrive in their order."""
        self._cancelled.difference_update([each for each in tuple(self._cancelled) if each <= number])

    def _read(self) -> None:
        """Read frames until the input ends, and then exit, whatever the main thread is doing."""
        status = 1
        try:
            while True:
                header_bytes, payload_bytes = parse_lengths(self._read_exactly(LENGTHS.size))
                header = json.loads(self._read_exactly(header_bytes))
                if header["do"] == "cancel":
                    self._cancelled.add(header["id"])
                elif header["do"] == "ping":
                    self.send({"event": "pong"})
                else:
                    self._jobs.put((header, self._read_payload(payload_bytes)))
        except (EOFError, ConnectionError):  # the parent has exited, possibly in the middle of a frame
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)  # `print_exc` leaves nothing to be flushed: standard error is written line by line

    def _read_payload(self, size_bytes: int) -> bytes | MemoryError:
        """A payload. Where memory does not suffice, its bytes are skipped and the error is that of its job."""
        try:
            return self._read_exactly(size_bytes)
        except MemoryError as error:
            while size_bytes:
                size_bytes -= len(self._read_exactly(min(size_bytes, _SKIPPED_BYTES)))
            return error

    def _read_exactly(self, size_bytes: int) -> bytes:
        """Read that many bytes. Raises EOFError where the input ends before."""
        data = self._source.read(size_bytes)
        if len(data) < size_bytes:
            raise EOFError
        return data


def serve(load: Load, *, on_failure: FailureHook, memory_bytes: int | None = None) -> NoReturn:
    """Be the worker of the parent that has started this process. Call it in the main thread, and before anything else.

    Args:
        load: returns the jobs; its configuration is `WorkerSpec.config`.
        on_failure: see FailureHook.
        memory_bytes: how much the address space may grow after `load`; allocation beyond it fails. Enforced on Linux.
    """
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        config = json.loads(sys.argv[1])
        _die_with_parent()
        source, sink = _take_pipes()
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
        status = Worker(
            lambda report: load(config, report),
            source=source,
            sink=sink,
            on_failure=on_failure,
            memory_bytes=memory_bytes,
        ).run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)  # the regular exit of Python may wait for a thread or for a broken device


def _die_with_parent() -> None:
    """Have Linux kill this process when its parent exits, since a library may keep the reading thread from running.

    On other systems the process relies on its closed input.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for frames. Libraries get an empty input, and standard error for their output."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink
