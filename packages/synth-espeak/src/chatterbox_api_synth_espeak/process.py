"""One child process, seen from its parent: started, spoken to in frames, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

from chatterbox_api_core.errors import SynthesisFailed
from chatterbox_api_core.model import Samples

__all__ = ["ChildDied", "ChildProcess"]

_START_S = 10.0
_STOP_S = 0.5
_CHILD = Path(__file__).with_name("child.py")


class ChildDied(Exception):
    """The child has ended, or does not answer as it should."""


class ChildProcess:
    """See `child` for the frames. One task at a time speaks to it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._id = 0
        self._head: bytes | None = None
        self.rate_hz = 0
        self.languages: dict[str, tuple[str, str]] = {}

    @classmethod
    async def start(cls, data_path: str) -> ChildProcess:
        """Start a child and wait for its greeting. Raises ChildDied."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(_CHILD), data_path, stdin=PIPE, stdout=PIPE
        )
        child = cls(process)
        try:
            async with asyncio.timeout(_START_S):
                kind, payload = await child._receive()
            if kind != b"H":
                raise ChildDied("espeak-ng's process did not greet")
        except BaseException as error:
            await child.end()
            if isinstance(error, TimeoutError):
                raise ChildDied(f"espeak-ng's process did not start within {_START_S:g} s") from None
            raise
        hello = json.loads(payload)
        child.rate_hz = hello["rate_hz"]
        child.languages = {tag: (voice, name) for tag, (voice, name) in hello["languages"].items()}
        return child

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def speak(self, text: str, *, voice: str, rate: int, pitch: int) -> AsyncGenerator[Samples, None]:
        """Yield float32 samples. Raises ChildDied, SynthesisFailed."""
        self._id += 1
        job = {"id": self._id, "text": text, "voice": voice, "rate": rate, "pitch": pitch}
        await self._send(b"S", json.dumps(job).encode())
        while True:
            kind, payload = await self._receive()
            if kind == b"A":
                yield memoryview(payload).cast("f")
            elif kind == b"E":
                return
            else:
                raise _failure(payload)

    async def measure_pitch_hz(self, samples: Samples, rate_hz: int) -> float | None:
        """The median pitch of a clip's voiced parts. Raises ChildDied, SynthesisFailed."""
        await self._send(b"M", struct.pack("<I", rate_hz) + samples.tobytes())
        kind, payload = await self._receive()
        if kind != b"P":
            raise _failure(payload)
        return cast("float | None", json.loads(payload)["hz"])

    async def settle(self) -> None:
        """After work that was left early: stop it and read what is on its way. Raises ChildDied."""
        try:
            async with asyncio.timeout(_STOP_S):
                await self._send(b"X", json.dumps({"id": self._id}).encode())
                while (await self._receive())[0] not in (b"E", b"F", b"P"):
                    pass
        except TimeoutError:
            raise ChildDied("espeak-ng's process does not stop") from None

    async def end(self) -> None:
        """Ask the child to end, by closing its input, and make sure that it has."""
        assert self._process.stdin is not None  # noqa: S101 — it was opened with a pipe
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        assert self._process.stdout is not None  # noqa: S101
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            async with asyncio.timeout(_STOP_S):
                await self._process.stdout.read()  # to its end, where asyncio lets go of the pipe

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _send(self, kind: bytes, payload: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(struct.pack("<cI", kind, len(payload)) + payload)
            await self._process.stdin.drain()
        except OSError as error:
            raise ChildDied("espeak-ng's process has ended") from error

    async def _receive(self) -> tuple[bytes, bytes]:
        assert self._process.stdout is not None  # noqa: S101
        try:
            if self._head is None:  # else a receive was cancelled between the head and the payload
                self._head = await self._process.stdout.readexactly(5)
            kind, size = struct.unpack("<cI", self._head)
            payload = await self._process.stdout.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChildDied("espeak-ng's process has ended") from error
        self._head = None
        return kind, payload


def _failure(payload: bytes) -> SynthesisFailed:
    message: dict[str, Any] = json.loads(payload)
    return SynthesisFailed(f"espeak-ng failed: {message.get('message', 'no reason given')}.")
