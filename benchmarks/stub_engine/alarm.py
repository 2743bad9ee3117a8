"""Waiting to the tenth of a millisecond.

An event loop's own timers come up to a millisecond late, since `epoll` counts whole ones: of 50 ms that is as much as
a server may take. An engine in a process of its own wakes the loop by a descriptor, at once; so does this, with a timer
of Linux's (`timerfd`, which Python offers from 3.13 on). Where there is none, it is the event loop's timer.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["wait_until"]

_MONOTONIC: Final = 1
_FLAGS: Final = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    """When it fires first, preceded by how often it does again: never."""

    _fields_ = (("interval", _Time), ("value", _Time))


def _library() -> Any:
    try:
        library: Any = ctypes.CDLL(None, use_errno=True)
        return library if hasattr(library, "timerfd_create") else None
    except (OSError, TypeError):
        return None


_LIBC: Final = _library()


async def wait_until(due_s: float) -> None:
    """Return once `time.monotonic` has come to `due_s`; also where that is past, the event loop has its turn."""
    wait_s = due_s - time.monotonic()
    if wait_s <= 0 or _LIBC is None:
        await asyncio.sleep(max(0.0, wait_s))
        return
    loop = asyncio.get_running_loop()
    fired: asyncio.Future[None] = loop.create_future()

    def fire() -> None:
        if not fired.done():
            fired.set_result(None)

    with _timer(wait_s) as descriptor:
        loop.add_reader(descriptor, fire)
        try:
            await fired
        finally:
            loop.remove_reader(descriptor)


@contextmanager
def _timer(wait_s: float) -> Generator[int, None, None]:
    descriptor = _LIBC.timerfd_create(_MONOTONIC, _FLAGS)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        seconds, rest_s = divmod(wait_s, 1)
        timer = _Timer(_Time(0, 0), _Time(int(seconds), max(1, int(rest_s * 1e9))))
        if _LIBC.timerfd_settime(descriptor, 0, ctypes.byref(timer), None) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        yield descriptor
    finally:
        os.close(descriptor)
