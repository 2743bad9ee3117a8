"""The end of a child process's standard error and its exit status, for the log."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import deque
from typing import Final

__all__ = ["StderrTail", "describe_exit"]

_log = logging.getLogger(__name__)

_LINES: Final = 20
_LINE_BYTES: Final = 4096


class StderrTail:
    """Keeps the last 20 lines of a process's standard error, and of each the last 4 KiB.

    A carriage return ends a line too, so that progress bars are kept.

    Args:
        stderr: the pipe; `read` reads it.
        title: the process in the log.
    """

    def __init__(self, stderr: asyncio.StreamReader, *, title: str) -> None:
        self._stderr, self._title = stderr, title
        self._lines: deque[str] = deque(maxlen=_LINES)

    def __str__(self) -> str:
        return " | ".join(self._lines) or "none"

    async def read(self) -> None:
        """Read until the pipe closes, since a process whose pipe is full blocks."""
        rest = b""
        while data := await self._stderr.read(2**16):
            *lines, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
            rest = rest[-_LINE_BYTES:]
            for line in lines:
                self._keep(line)
        self._keep(rest)

    def _keep(self, line: bytes) -> None:
        if text := line[-_LINE_BYTES:].decode(errors="replace").strip():
            self._lines.append(text)
            _log.debug("%s: %s", self._title, text)


def describe_exit(code: int | None) -> str:
    """The exit status of a process as a verb phrase: "exited with code 1".

    Args:
        code: the exit code, negative for a signal; None for a process that even a kill does not end.
    """
    if code is None:
        return "cannot be stopped"
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}{', as the system does when memory runs out' if name == 'SIGKILL' else ''}"
