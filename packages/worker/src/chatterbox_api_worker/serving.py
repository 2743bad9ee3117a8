"""The worker's side: a process that reads jobs from its standard input and does them, one after the other.

    def load(config: Header, report: Progress) -> dict[str, Job]: ...

    if __name__ == "__main__":
        serve(load, on_failure=...)

One thread reads, so that a job is cancelled and a ping is answered while the main one works. Standard input and
output carry frames alone: what a library prints goes to standard error. The process ignores the signals that a
terminal or a service manager sends to all of a service, since its parent may have work to finish, and it exits as
soon as its standard input closes, also when its parent is killed.
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
_SIGN_OF_LIFE_S: Final = 0.25
"""Well below the shortest silence that the parent may be told to take for a hang."""

_SKIPPED_BYTES: Final = 2**16

Progress: TypeAlias = Callable[[str], None]
"""Tells the parent in words how far loading is."""
Job: TypeAlias = "Callable[[Header, bytes, JobContext], tuple[Header, Payload]]"
"""From the header and the payload of a job to those of its answer. A ChatterboxError is answered as it is."""
Load: TypeAlias = Callable[[Header, Progress], dict[str, Job]]
"""From the configuration to the jobs by their names; called once. It may raise ChatterboxError."""
FailureHook: TypeAlias = Callable[[Exception], tuple[ChatterboxError, bool]]
"""For an exception of a job that is no ChatterboxError: what to answer, and whether this process can go on."""


class _Cancelled(Exception):
    """The caller has gone."""


class JobContext:
    """What a job may do while it works."""

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker, self._number, self._told_s = worker, number, time.monotonic()

    @property
    def cancelled(self) -> bool:
        """Whether the caller has gone."""
        return self._worker.is_cancelled(self._number)

    def checkpoint(self) -> None:
        """To be called between steps: ends the job where it was cancelled, and tells the parent that it goes on."""
        if self.cancelled:
            raise _Cancelled
        if time.monotonic() - self._told_s > _SIGN_OF_LIFE_S:
            self._told_s = time.monotonic()
            self._worker.send({"id": self._number, "event": "working"})

    def send(self, header: Header, payload: Payload = b"") -> None:
        """Send a piece of the answer. It waits where the parent is behind."""
        self._told_s = time.monotonic()
        self._worker.send({**header, "id": self._number, "event": "piece"}, payload)


class Worker:
    """Reads jobs, does them one by one, answers.

    Args:
        memory_bytes: how much memory the jobs may take beyond what there is once they are loaded.
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
        """Work until the parent has gone. Returns the exit status where that is not 0."""
        threading.Thread(target=self._read, daemon=True).start()
        try:
            jobs = self._load(lambda text: self.send({"event": "loading", "text": text}))
        except ChatterboxError as error:
            self.send(error_to_frame(error))
            return 1
        if self._memory_bytes is not None and not limit_memory(self._memory_bytes):
            _log.warning("this system does not bound the memory of a process: a job may take all there is")
        self.send({"event": "ready"})
        while True:
            header, payload = self._jobs.get()
            if self.is_cancelled(header["id"]):
                self.send({"id": header["id"], "event": "cancelled"})
            elif not self._do(jobs[header["do"]], header, payload):
                return 2
            del payload  # it may be large, and the next job may be long in coming
            self._forget(header["id"])

    def is_cancelled(self, number: int) -> bool:
        return number in self._cancelled

    def send(self, header: Header, payload: Payload = b"") -> None:
        """Send a frame, from any thread."""
        start = frame_start(header, payload)
        with self._sending:
            self._sink.write(start)
            self._sink.write(payload)
            self._sink.flush()

    def _do(self, job: Job, header: Header, payload: bytes | MemoryError) -> bool:
        """Do one job and answer; False when this process is good for no other."""
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
        """Numbers rise, and jobs come in their order: what is cancelled after its end is of no use any more."""
        self._cancelled.difference_update([each for each in tuple(self._cancelled) if each <= number])

    def _read(self) -> None:
        """Until the parent has gone; then so has this process, whatever it is doing."""
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
        except (EOFError, ConnectionError):  # the parent has gone, it may be in the middle of a frame
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)  # `print_exc` leaves nothing to be flushed: standard error is written line by line

    def _read_payload(self, size_bytes: int) -> bytes | MemoryError:
        """A payload; where there is no memory for it, that is an error of its job, and the next frame is looked for."""
        try:
            return self._read_exactly(size_bytes)
        except MemoryError as error:
            while size_bytes:
                size_bytes -= len(self._read_exactly(min(size_bytes, _SKIPPED_BYTES)))
            return error

    def _read_exactly(self, size_bytes: int) -> bytes:
        """Raises EOFError where the input ends before."""
        data = self._source.read(size_bytes)
        if len(data) < size_bytes:
            raise EOFError
        return data


def serve(load: Load, *, on_failure: FailureHook, memory_bytes: int | None = None) -> NoReturn:
    """Be the worker of the parent that has started this process. Called in the main thread of a fresh process.

    Args:
        memory_bytes: how much the address space may grow once `load` is done; beyond it, allocation fails. It is
            enforced on Linux.
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
        os._exit(status)  # Python's own way out may wait for a thread, or for a device that is lost


def _die_with_parent() -> None:
    """Have Linux kill this process when its parent is gone: a library that lets no thread run hides the closed input.

    Elsewhere the closed input alone tells.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output, which are others from now on for everybody else in this process."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink
