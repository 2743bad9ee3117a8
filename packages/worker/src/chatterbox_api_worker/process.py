"""The process of one worker: started, written to, killed, seen to exit."""

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
    """Use `start`.

    Attributes:
        stdout: carries the frames of the worker.
        stderr_tail: is to be read to its end by whoever has started the process.
    """

    def __init__(self, process: Process, *, title: str) -> None:
        assert process.stdin is not None  # noqa: S101 — `start` opens all three
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._process, self._stdin, self.stdout = process, process.stdin, process.stdout
        self.stderr_tail = StderrTail(process.stderr, title=title)

    @classmethod
    async def start(cls, spec: WorkerSpec) -> WorkerProcess:
        """Start the child.

        Raises:
            Unavailable: the system starts none.
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
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.returncode

    def write(self, start: bytes, payload: Payload = b"") -> None:
        """Send a frame, whose start `frames.frame_start` makes. What has gone is sent nothing: its exit tells."""
        if self._stdin.is_closing():
            return
        self._stdin.write(start)
        if memoryview(payload).nbytes:
            self._stdin.write(payload)

    async def drain(self) -> None:
        """Wait for room in the pipe. An exit meanwhile is no error here."""
        with contextlib.suppress(ConnectionError):
            await self._stdin.drain()

    def close_input(self) -> None:
        """Ask it to exit."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def exits(self, within_s: float) -> bool:
        """Whether it exits in time. `Process.wait` lasts as long as anybody holds the pipes, a grandchild for one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._process.returncode is None:  # noqa: ASYNC110 — nothing else tells
                    await asyncio.sleep(_POLL_S)
        return self._process.returncode is not None

    def close_pipes(self) -> None:
        """Let go of the pipes, which asyncio keeps open for as long as anybody else holds them."""
        self._process._transport.close()  # type: ignore[attr-defined] # there is no public way


def _inherited(patterns: tuple[str, ...] | None) -> dict[str, str]:
    """Of the variables of this process, those that the child may see."""
    if patterns is None:
        return dict(os.environ)
    return {
        name: value for name, value in os.environ.items() if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
