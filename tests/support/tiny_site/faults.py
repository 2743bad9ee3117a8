"""Faults that a test plants in the model's process, by the text it has spoken: `[[kill@5]] Hello.` kills it at step 5.

A step is a token or a step of S3Gen; `[[kill@s2]]` means the second one of S3Gen. Faults are known only where
CHATTERBOX_TEST_FAULTS names a folder, in which a file `planted` says that one has happened.
"""

from __future__ import annotations

import fcntl
import inspect
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from chatterbox_api_core.errors import InvalidAudio, InvalidInput

__all__ = ["planted"]

_MARK: Final = re.compile(r"\[\[(\w+)@(s?)(\d+)\]\]")
_LONG_S: Final = 600.0
_SLOW_S: Final = 1.0


def planted(text: str, checkpoint: Callable[[], None]) -> Callable[[], None]:
    """A checkpoint that fails, hangs or kills as the text says."""
    mark = _MARK.match(text) if "CHATTERBOX_TEST_FAULTS" in os.environ else None
    if mark is None:
        return checkpoint
    word, in_s3gen, at, step = mark[1], bool(mark[2]), int(mark[3]), 0

    def counted() -> None:
        nonlocal step
        step += not in_s3gen or _caller().endswith("rendering.py")
        if step == at:
            Path(os.environ["CHATTERBOX_TEST_FAULTS"], "planted").touch()
            _FAULTS[word]()
        elif step > at and word == "slow":
            time.sleep(_SLOW_S)
        checkpoint()

    return counted


def _caller() -> str:
    """The file of whoever has called the function that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    assert frame.f_back.f_back is not None
    return frame.f_back.f_back.f_code.co_filename


def _raising(error: Callable[[], BaseException]) -> Callable[[], None]:
    def fail() -> None:
        raise error()

    return fail


def _out_of_memory() -> BaseException:
    torch: Any = sys.modules.get("torch")
    cls = type("OutOfMemoryError", (RuntimeError,), {}) if torch is None else torch.OutOfMemoryError
    error: BaseException = cls("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return error


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _say(data: bytes) -> None:
    """Write to the parent behind the worker's back."""
    os.write(_frames(), data)


def _frames() -> int:
    """The pipe to the parent: the only one to write to, beside standard error."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 — numbers, one of which is gone by now
        with suppress(OSError):
            status, mode = os.fstat(int(name)), fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE
            if stat.S_ISFIFO(status.st_mode) and mode == os.O_WRONLY and status.st_ino != os.fstat(2).st_ino:
                return int(name)
    raise AssertionError("there is no pipe to the parent")


def _garbage(data: bytes) -> Callable[[], None]:
    def speak() -> None:
        _say(data)
        time.sleep(_LONG_S)

    return speak


def _until_over() -> None:
    """What a process of its own does, until the test says that it is over."""
    over, until_s = Path(os.environ["CHATTERBOX_TEST_FAULTS"], "over"), time.monotonic() + 20
    while not over.exists() and time.monotonic() < until_s:
        time.sleep(0.02)


def _fork() -> None:
    """End while a process of its own holds on to all its pipes."""
    if os.fork() == 0:
        _until_over()
        os._exit(0)
    _kill()


def _spawn() -> None:
    """End while a process of its own holds on to its standard output and error."""
    subprocess.Popen([sys.executable, "-c", "import faults; faults._until_over()"])
    _kill()


def _print_a_lot() -> None:
    for _ in range(64):
        os.write(1, b"a line without an end " * 1000)


_FAULTS: Final[dict[str, Callable[[], None]]] = {
    "raise": _raising(lambda: RuntimeError("it was planted")),
    "oom": _raising(_out_of_memory),
    "memory": _raising(MemoryError),
    "cuda": _raising(lambda: RuntimeError("CUDA error: device-side assert triggered")),
    "input": _raising(lambda: InvalidInput("It cannot be spoken.", field="input")),
    "audio": _raising(lambda: InvalidAudio("It cannot be heard.", field="voice")),
    "exit": _raising(lambda: SystemExit(3)),
    "kill": _kill,
    "hang": lambda: time.sleep(_LONG_S),
    "slow": lambda: None,
    "noise": _garbage(b"Traceback (most recent call last):\n"),
    "riddle": _garbage(b"\2\0\0\0\0\0\0\0[]"),
    "nothing": _garbage(b"\2\0\0\0\0\0\0\0{}"),
    "fork": _fork,
    "spawn": _spawn,
    "print": _print_a_lot,
}
