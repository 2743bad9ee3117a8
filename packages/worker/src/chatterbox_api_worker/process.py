"""The operating system's process of one worker: its start, its pipes, its exit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from fnmatch import fnmatchcase
from typing import Final

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_worker.frames import Payload
from chatterbox_api_worker.pipes import STREAM_LIMIT_BYTES, enlarge
from chatterbox_api_worker.spec import Cause, WorkerSpec
from chatterbox_api_worker.stderr_tail import StderrTail

__all__ = ["WorkerProcess"]

_POLL_S: Final = 0.01


class WorkerProcess:
    """A child process with three pipes. Use `start`.

    Attributes:
        stdout: the pipe with the frames of the worker.
        stderr_tail: the end of its standard error. The caller of `start` must run `stderr_tail.read()`.
    """

    def __init__(self, process: Process, *, title: str) -> None:
        assert process.stdin is not None  # noqa: S101 — `start` opens all three
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._process, self._stdin, self.stdout = process, process.stdin, process.stdout
        self.stderr_tail = StderrTail(process.stderr, title=title)

    @classmethod
    async def start(cls, spec: WorkerSpec) -> WorkerProcess:
        """Start the process.

        Raises:
            Unavailable: the system cannot start it.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-W", "ignore", "-m", spec.module, json.dumps(dict(spec.config))),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                limit=STREAM_LIMIT_BYTES,
                env={**_inherited(spec.inherit), **spec.environment},
            )
        except OSError as error:
            code = Cause.LOAD_FAILED.code(spec.code_prefix)
            raise Unavailable(f"The {spec.name} does not start: {error}.", code=code) from error
        enlarge(process)
        return cls(process, title=spec.title)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        return self._process.returncode

    def write(self, start: bytes, payload: Payload = b"") -> None:
        """Queue a frame for the process. `frames.frame_start` makes its start.

        It does nothing once the input is closed: the exit of the process is what tells the callers.
        """
        if self._stdin.is_closing():
            return
        self._stdin.write(start)
        if memoryview(payload).nbytes:
            self._stdin.write(payload)

    async def drain(self) -> None:
        """Wait for room in the pipe. An exit of the process meanwhile is no error here."""
        with contextlib.suppress(ConnectionError):
            await self._stdin.drain()

    def close_input(self) -> None:
        """Close its standard input, which asks the process to exit."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def kill(self) -> None:
        """Kill the process; it does nothing where the process has exited."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def exits(self, within_s: float) -> bool:
        """Wait for the exit. Returns whether the process exited in time.

        `Process.wait` is of no use: it returns only once every holder of the pipes has exited, such as a grandchild.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._process.returncode is None:  # noqa: ASYNC110 — nothing else tells
                    await asyncio.sleep(_POLL_S)
        return self._process.returncode is not None

    def close_pipes(self) -> None:
        """Close the pipes, which asyncio otherwise keeps open while another process holds them."""
        self._process._transport.close()  # type: ignore[attr-defined] # there is no public way


def _inherited(patterns: tuple[str, ...] | None) -> dict[str, str]:
    """The environment variables of this process that the child may see."""
    if patterns is None:
        return dict(os.environ)
    return {
        name: value for name, value in os.environ.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
