"""A worker for tests, `python -m worker.jobs`: jobs that behave well, and jobs that crash, hang, fill memory or lie."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from typing import Any

from chatterbox_api_core.errors import ConfigurationError, InvalidAudio, SynthesisFailed
from chatterbox_api_worker.serving import Job, JobContext, Worker, serve

KEPT: list[Any] = []
FRAMES = os.dup(1) if __name__ == "__main__" else -1
"""The pipe of the frames, before `serve` makes another file of standard output."""


def load(config: dict[str, Any], report: Any) -> dict[str, Job]:
    report("half of it is there")
    if (how := config.get("loading")) == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "fail":
        raise ConfigurationError("Something is missing.", code="thing_missing", remedy="Install it.")
    elif how == "hang":
        time.sleep(600)
    return {name: job for name, job in globals().items() if getattr(job, "is_job", False)}


def job(function: Any) -> Any:
    function.is_job = True
    return function


@job
def echo(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    return {"said": header.get("text"), "pid": os.getpid()}, payload


@job
def steps(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    for _ in range(header["count"]):
        time.sleep(0.002)
        context.checkpoint()
    return {}, b""


@job
def count(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    """Pieces of `size` bytes, each of them the number of the piece; it stops when it is cancelled."""
    for number in range(header["pieces"]):
        if context.cancelled:
            break
        context.send({"piece": number}, bytes([number % 256]) * header.get("size", 1))
        time.sleep(header.get("pause_s", 0))
        if number == header.get("crash_at"):
            crash(header, payload, context)
    return {"sent": number + 1}, b""


@job
def last_words(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    """Pieces, and then the end of this process: by a crash, or by an error after which it is good for nothing."""
    for number in range(header["pieces"]):
        context.send({"piece": number}, bytes(header["size"]))
    if header["how"] == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    raise MemoryError


@job
def sleep(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    """Deaf to everything but a signal."""
    time.sleep(header["for_s"])
    return {}, b""


@job
def deaf(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    """As a library that loops without letting other threads run."""
    sys.setswitchinterval(1000)
    while True:
        pass


@job
def crash(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    print("the last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), header.get("signal", signal.SIGSEGV))
    time.sleep(600)
    return {}, b""


@job
def leave(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    os._exit(header.get("code", 0))


@job
def fill(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    """Take memory, a mebibyte at a time, and write to it."""
    taken = []
    taken = [b"\1" * 2**20 for _ in range(header["mib"])]
    return {"taken_mib": len(taken)}, b""


@job
def garbage(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    """Write beside the frames."""
    os.write(FRAMES, bytes.fromhex(header["data"]))
    time.sleep(600)
    return {}, b""


@job
def chatter(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    """Print without end on standard output, as libraries do, and read standard input."""
    for _ in range(64):
        os.write(1, b"a line without an end " * 1000)
    return {"read": sys.stdin.read()}, b""


@job
def answer(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    return {}, bytes(header["size"])


@job
def fail(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    if header["how"] == "audio":
        raise InvalidAudio("It cannot be read.", field="voice_file", remedy="Send another.")
    if header["how"] == "memory":
        raise MemoryError
    raise RuntimeError(header["how"])


@job
def threads(header: dict[str, Any], payload: bytes, context: JobContext) -> tuple[dict[str, Any], bytes]:
    return {"count": threading.active_count(), "cancelled": this_worker().cancellation_count}, b""


def this_worker() -> Worker:
    """The one that `serve` has made in this process."""
    return next(each for each in gc.get_objects() if isinstance(each, Worker))


def failure(error: Exception) -> tuple[SynthesisFailed, bool]:
    if isinstance(error, MemoryError):
        return SynthesisFailed("It ran out of memory.", code="out_of_memory"), False
    return SynthesisFailed(f"It failed: {error}."), True


if __name__ == "__main__":
    os.environ["TEST_FRAMES"] = str(os.dup(1))  # the parent's pipe, which `serve` takes away from everybody else
    serve(load, on_failure=failure, memory_bytes=int(os.environ.get("TEST_MEMORY_BYTES", "0")) or None)
