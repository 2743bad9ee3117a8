"""One child process, from its start to its end: asked, heard, watched, ended. See `child` and `wire`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_synth_chatterbox.last_words import LastWords, how_it_ended
from chatterbox_api_synth_chatterbox.wire import LENGTHS, Head, as_error, frame, lengths

__all__ = ["Answer", "Child", "Lost", "Patience"]

_log = logging.getLogger(__name__)

_END_S: Final = 2.0
_REST_S: Final = 0.5
"""For what a process has said before its end to be read; longer only where one of its own children holds its pipes."""
_POLL_S: Final = 0.01
_MODULE: Final = "chatterbox_api_synth_chatterbox.child"

Answer = tuple[Head, bytes]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may take, in seconds.

    Attributes:
        load_s: the longest silence while weights are fetched and loaded.
        wait_s: for that to end, before a request is told to come back; the loading goes on.
        stall_s: the longest silence during work.
        idle_s: without work before the process is ended; 0 is for ever.
        retry_s: before what could not be loaded is tried again.
    """

    load_s: float = 300.0
    wait_s: float = 60.0
    stall_s: float = 120.0
    idle_s: float = 0.0
    retry_s: float = 10.0


class Lost(Exception):
    """The child ended before it answered.

    Attributes:
        began: whether it had begun this work, which may be why it ended.
        other_began: whether it had begun other work, which may be why.
    """

    def __init__(self, reason: str, *, code: str, began: bool = False, other_began: bool = False) -> None:
        super().__init__(reason)
        self.code, self.began, self.other_began = code, began, other_began


class Child:
    """Use `start`.

    Attributes:
        ready: done when it can work; raises ChatterboxError where it never will.
        progress: what it does to get there, in words.
        gone: set once the process is no more.
    """

    def __init__(self, process: Process, *, title: str, patience: Patience) -> None:
        self._process, self._title, self._patience = process, title, patience
        self.ready: asyncio.Future[None] = _future()
        self.progress = "starting"
        self.gone = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._working_on: int | None = None
        self._silent_s = 0.0
        self._ending: tuple[str, str] | None = None
        assert process.stdin is not None  # noqa: S101 — `start` opens all three
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._stdin, self._stdout = process.stdin, process.stdout
        self._last_words = LastWords(process.stderr, title=title)
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
    def alive(self) -> bool:
        """Neither gone nor about to be, as far as is known."""
        return self._ending is None and not self.gone.is_set()

    @property
    def usable(self) -> bool:
        """Whether it takes work."""
        return self.alive and self._loaded and self.ready.exception() is None

    async def ask(self, number: int, head: Head, payload: bytes | memoryview) -> Answer:
        """Have work done; cancelling it stops the work at its next step. Raises Lost, and what the work raises."""
        if not self.usable:
            raise Lost("The model's process has ended.", code="engine_died")
        if not self._busy:
            self._silent_s = 0.0
        answer: asyncio.Future[Answer] = _future()
        self._answers[number] = answer
        try:
            self._stdin.write(frame({**head, "id": number}, payload))
            with contextlib.suppress(ConnectionError):  # its end is being heard of
                await self._stdin.drain()
            return await answer
        except asyncio.CancelledError:
            if self.usable:
                self._stdin.write(frame({"id": number, "do": "cancel"}))
            raise
        finally:
            self._answers.pop(number, None)

    async def end(self, reason: str, code: str = "engine_died") -> None:
        """Ask the process to end, by closing its input, and see to it that it does. Takes 4 s at the most."""
        self._ending = self._ending or (reason, code)
        with contextlib.suppress(OSError):
            self._stdin.close()
        await asyncio.wait((self._life,), timeout=_END_S)
        if not self._life.done():
            self._kill()
            await asyncio.wait((self._life,), timeout=_END_S)
            self._life.cancel()
            await self.gone.wait()

    @property
    def _loaded(self) -> bool:
        return self.ready.done() and not self.ready.cancelled()

    @property
    def _busy(self) -> bool:
        """Also with work that nobody waits for any more, until it says that it has stopped."""
        return bool(self._answers) or self._working_on is not None

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _live(self) -> None:
        """Hear what the child says until it is gone; then everybody who waits is told why."""
        listening, watching, lines = (
            asyncio.create_task(work) for work in (self._listen(), self._watch(), self._last_words.read())
        )
        try:
            await asyncio.wait((listening, watching), return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            if not await self._exited():
                self._kill()
                await self._exited()
            await asyncio.wait((listening, lines), timeout=_REST_S)
        finally:
            for task in (listening, watching, lines):
                task.cancel()
            self._kill()
            self._bury(self._process.returncode)
            self._process._transport.close()  # type: ignore[attr-defined] # or it waits for whoever holds the pipes
            self.gone.set()
            await asyncio.gather(listening, watching, lines, return_exceptions=True)

    async def _exited(self) -> bool:
        """Whether the process ends within `_END_S`. asyncio's own wait lasts as long as anyone holds its pipes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                while self._process.returncode is None:  # noqa: ASYNC110 — nothing else tells
                    await asyncio.sleep(_POLL_S)
        return self._process.returncode is not None

    async def _listen(self) -> None:
        try:
            while True:
                head_bytes, payload_bytes = lengths(await self._stdout.readexactly(LENGTHS.size))
                head = json.loads(await self._stdout.readexactly(head_bytes))
                self._hear(head, await self._stdout.readexactly(payload_bytes))
        except (asyncio.IncompleteReadError, OSError):
            return
        except (ValueError, LookupError, TypeError, AttributeError):
            self._ending = self._ending or ("The model's process spoke in riddles, and was ended.", "engine_died")
            self._kill()

    def _hear(self, head: Head, payload: bytes) -> None:
        self._silent_s = 0.0
        number, event = head.get("id"), head["event"]
        if event == "loading":
            self.progress = str(head["text"])
            _log.info("%s: %s", self._title, self.progress)
        elif event == "ready":
            if not self.ready.done():
                self.ready.set_result(None)
        elif event == "working":
            self._working_on = number
        elif number is None:
            self._ending = self._ending or (str(head["message"]), "engine_unavailable")
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

    async def _watch(self) -> None:
        """Until the process has exited, or has been silent for too long while something was expected of it.

        Silence is counted in ticks of this service's own: a pause of the service, or of the machine, is none.
        """
        while self._process.returncode is None:
            limit_s = self._patience.stall_s if self._loaded else self._patience.load_s
            tick_s = min(1.0, limit_s / 10)
            await asyncio.sleep(tick_s)
            self._silent_s = self._silent_s + tick_s if self._busy or not self._loaded else 0.0
            if self._silent_s > limit_s:
                doing = "The model" if self._loaded else "Loading the model"
                self._ending = self._ending or (
                    f"{doing} gave no sign of life for {limit_s:g} s, and was ended.",
                    "engine_hung",
                )
                self._kill()
                return

    def _bury(self, code: int | None) -> None:
        self._ending = self._ending or (f"The model's process {how_it_ended(code)}.", "engine_died")
        reason, word = self._ending
        if code != 0 and word != "engine_unavailable":
            _log.error("%s: %s Its last lines: %s", self._title, reason, self._last_words)
        if not self.ready.done():
            self.ready.set_exception(Unavailable(reason, code=word, retry_after_s=10))
        for number, answer in self._answers.items():
            if not answer.done():
                began = number == self._working_on
                other = not began and self._working_on is not None
                answer.set_exception(Lost(reason, code=word, began=began, other_began=other))
        self._answers.clear()


def _future() -> asyncio.Future[Any]:
    """A future whose error nobody has to fetch."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
