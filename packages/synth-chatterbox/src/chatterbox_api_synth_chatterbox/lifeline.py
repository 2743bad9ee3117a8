"""One child process, from its start to its end: asked, heard, watched, ended. See `child` and `wire`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_synth_chatterbox.wire import LENGTHS, Head, as_error, frame, lengths

__all__ = ["Answer", "Child", "Lost", "Patience"]

_log = logging.getLogger(__name__)

_END_S: Final = 2.0
_KEPT_LINES: Final = 20
_MODULE: Final = "chatterbox_api_synth_chatterbox.child"

Answer = tuple[Head, bytes]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may take, in seconds.

    Attributes:
        load_s: the longest silence while weights are fetched and loaded.
        stall_s: the longest silence during work.
        idle_s: without work before the process is ended; 0 is for ever.
        retry_s: before what could not be loaded is tried again.
    """

    load_s: float = 300.0
    stall_s: float = 120.0
    idle_s: float = 0.0
    retry_s: float = 10.0


class Lost(Exception):
    """The child ended before it answered.

    Attributes:
        began: whether it had begun this work, which may be why it ended.
    """

    def __init__(self, reason: str, *, began: bool, code: str) -> None:
        super().__init__(reason)
        self.began, self.code = began, code


class Child:
    """Use `start`.

    Attributes:
        ready: done when it can work; raises ChatterboxError where it never will.
        gone: set once the process is no more.
    """

    def __init__(self, process: Process, *, title: str, patience: Patience) -> None:
        self._process, self._title, self._patience = process, title, patience
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.gone = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._working_on: int | None = None
        self._heard_s = time.monotonic()
        self._ending: tuple[str, str] | None = None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._life = asyncio.create_task(self._live())

    @classmethod
    async def start(
        cls, config: Mapping[str, Any], *, environment: Mapping[str, str], title: str, patience: Patience
    ) -> Child:
        """Start the process; it is not ready yet. Raises Unavailable."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-W", "ignore", "-m", _MODULE, json.dumps(dict(config))),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=environment,
            )
        except OSError as error:
            raise Unavailable(f"The model's process does not start: {error}.", code="engine_unavailable") from error
        return cls(process, title=title, patience=patience)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        return self._ending is None and not self.gone.is_set()

    async def ask(self, number: int, head: Head, payload: bytes | memoryview) -> Answer:
        """Have work done; cancelling it stops the work at its next step. Raises Lost, and what the work raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if not self.usable:
            raise Lost("The model's process has ended.", began=False, code="engine_died")
        if not self._answers:
            self._heard_s = time.monotonic()
        self._answers[number] = answer
        try:
            await self._tell({**head, "id": number}, payload)
            return await answer
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError):
                self._stdin.write(frame({"id": number, "do": "cancel"}))
            raise
        except ConnectionError:
            return await answer  # its end is being heard of
        finally:
            if answer.done():
                self._answers.pop(number, None)

    async def end(self, reason: str, *, code: str = "engine_died", at_once: bool = False) -> None:
        """Ask the process to end, by closing its input, and see to it that it does."""
        self._ending = self._ending or (reason, code)
        if at_once:
            self._kill()
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await self.gone.wait()
        except TimeoutError:
            self._kill()
            await self.gone.wait()

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None  # noqa: S101 — it was opened with a pipe
        return self._process.stdin

    async def _tell(self, head: Head, payload: bytes | memoryview) -> None:
        self._stdin.write(frame(head, payload))
        await self._stdin.drain()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _live(self) -> None:
        """Hear what the child says until it is gone; then everybody who waits is told why."""
        others = [asyncio.create_task(self._keep_lines()), asyncio.create_task(self._watch())]
        try:
            await self._listen()
            others[1].cancel()
            try:
                code = await asyncio.wait_for(self._process.wait(), _END_S)
            except TimeoutError:
                self._kill()
                code = await self._process.wait()
            await asyncio.wait(others, timeout=_END_S)
            self._bury(code)
        finally:
            for task in others:
                task.cancel()
            if self._process.returncode is None:
                self._kill()
            self.gone.set()

    async def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101
        try:
            while True:
                head_bytes, payload_bytes = lengths(await stdout.readexactly(LENGTHS.size))
                head = json.loads(await stdout.readexactly(head_bytes))
                self._hear(head, await stdout.readexactly(payload_bytes))
        except (asyncio.IncompleteReadError, OSError):
            return
        except ValueError:
            self._ending = self._ending or ("The model's process spoke in riddles.", "engine_died")

    def _hear(self, head: Head, payload: bytes) -> None:
        self._heard_s = time.monotonic()
        number, event = head.get("id"), head["event"]
        if event == "loading":
            _log.info("%s: %s", self._title, head["text"])
        elif event == "ready":
            if not self.ready.done():
                self.ready.set_result(None)
        elif event == "working":
            self._working_on = number
        elif number is None:
            self._ending = self._ending or (str(head.get("message")), "engine_unavailable")
            if not self.ready.done():
                self.ready.set_exception(as_error(head))
        else:
            self._working_on = None
            answer = self._answers.pop(number, None)
            if answer is None or answer.done():
                return
            if event == "done":
                answer.set_result((head, payload))
            else:
                answer.set_exception(as_error(head))

    async def _keep_lines(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101
        with contextlib.suppress(OSError, ValueError):
            async for line in stderr:
                text = line.decode(errors="replace").rstrip()
                self._lines.append(text)
                _log.debug("%s: %s", self._title, text)

    async def _watch(self) -> None:
        """End a child that has been silent for too long while something was expected of it."""
        while True:
            limit_s = self._patience.stall_s if self.ready.done() else self._patience.load_s
            if self.ready.done() and not self._answers:
                self._heard_s = time.monotonic()
            silent_s = time.monotonic() - self._heard_s
            if silent_s > limit_s:
                doing = "The model" if self.ready.done() else "Loading the model"
                self._ending = (f"{doing} gave no sign of life for {limit_s:g} s, and was ended.", "engine_hung")
                self._kill()
                return
            await asyncio.sleep(min(1.0, max(0.02, limit_s - silent_s)))

    def _bury(self, code: int) -> None:
        if self._ending is None:
            how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
            self._ending = (f"The model's process {how}.", "engine_died")
            _log.error("%s: %s Its last lines: %s", self._title, self._ending[0], " | ".join(self._lines) or "none")
        reason, word = self._ending
        if not self.ready.done():
            self.ready.set_exception(Unavailable(reason, code=word, retry_after_s=10))
        for number, answer in self._answers.items():
            if not answer.done():
                answer.set_exception(Lost(reason, began=number == self._working_on, code=word))
        self._answers.clear()


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name}, as the system does when memory runs out" if name == "SIGKILL" else name
