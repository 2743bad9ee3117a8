"""The model's process, seen from the service: started when there is work, ended when idle, replaced when lost.

    none --work--> loading --ready--> waiting <--> working
     ^                |                  |            |
     +---- failed, hung, killed, idle ---+------------+

Work that a process was doing when it ended fails, and says so; work that waited behind it is done by the next.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import os
import time
from collections.abc import Mapping
from typing import Any, Final

from chatterbox_api_core.errors import ChatterboxError, SynthesisFailed, Unavailable
from chatterbox_api_synth_chatterbox.lifeline import Answer, Child, Lost, Patience
from chatterbox_api_synth_chatterbox.wire import Head

__all__ = ["ModelProcess"]

_log = logging.getLogger(__name__)

_TRIES: Final = 3
"""Processes that may end for no work's sake under work that waits, before it fails with them."""
_STOPPING: Final = ("The service is stopping.", "engine_unavailable")
_ENVIRONMENT: Final = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""What the child's libraries read; OpenMP's threads spin while they wait otherwise, and take the service's cores."""


class ModelProcess:
    """See the module. Made in a running event loop; `close` it.

    Args:
        config: what the child is told at its start.
        title: what the log calls it.
        environment: for the child, beside that of this process.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        title: str,
        patience: Patience | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._config, self._title, self._patience = dict(config), title, patience or Patience()
        self._environment = {**_ENVIRONMENT, **os.environ, **(environment or {})}
        self._numbers = itertools.count(1)
        self._child: Child | None = None
        self._starting: asyncio.Task[Child] | None = None
        self._loading_since_s = 0.0
        self._ending: set[asyncio.Task[None]] = set()
        self._load_failure: tuple[float, ChatterboxError] | None = None
        self._running = 0
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @property
    def load_failure(self) -> ChatterboxError | None:
        """Why the model cannot be had; None again when the next request would try."""
        if self._load_failure is not None and time.monotonic() < self._load_failure[0]:
            return copy.copy(self._load_failure[1])  # one that is raised again and again holds on to all its callers
        return None

    @property
    def slow_load(self) -> ChatterboxError | None:
        """How far the model is, once it has been loading for longer than a request would wait."""
        waited_s = time.monotonic() - self._loading_since_s
        return self._still_loading() if self._starting is not None and waited_s > self._patience.wait_s else None

    async def run(self, head: Head, payload: bytes | memoryview = b"") -> Answer:
        """Have one piece of work done. Cancelling it stops the work at its next step, and returns at once.

        Raises:
            SynthesisFailed: the work failed, hung, or took the process down with it.
            Unavailable, ConfigurationError: the model cannot be loaded, or not soon.
            ChatterboxError: what the work itself raises.
        """
        self._running += 1
        self._stay()
        try:
            return await self._answer(head, payload)
        finally:
            self._running -= 1
            self._leave_when_idle()

    async def load(self) -> None:
        """Have the model in memory. Raises as `run` does."""
        await self._ready_child()

    async def close(self) -> None:
        """End the child, whatever it is doing. Takes 5 s at the most."""
        self._closed = True
        self._stay()
        if self._child is not None:
            await self._child.end(*_STOPPING)
        if self._starting is not None:
            await asyncio.wait((self._starting,))
        if self._ending:
            await asyncio.wait(self._ending)

    async def _answer(self, head: Head, payload: bytes | memoryview) -> Answer:
        ended = 0
        while ended < _TRIES:
            child = await self._ready_child()
            try:
                return await child.ask(next(self._numbers), head, payload)
            except Lost as lost:
                if lost.began and not self._closed:
                    raise SynthesisFailed(str(lost), code=lost.code) from lost
                ended += not lost.other_began
        raise Unavailable("The model's process ended again and again.", code="engine_died", retry_after_s=10)

    async def _ready_child(self) -> Child:
        """The child, ready to work; all who ask while it loads wait for the same one."""
        self._check_open()
        if self._child is not None and self._child.usable:
            return self._child
        if self._starting is None:
            if (known := self.load_failure) is not None:
                raise known
            self._starting, self._loading_since_s = asyncio.create_task(self._start()), time.monotonic()
            self._starting.add_done_callback(self._started)
        starting = self._starting
        await asyncio.wait((starting,), timeout=self._patience.wait_s)
        if not starting.done():
            raise self._still_loading()
        return starting.result()

    def _still_loading(self) -> Unavailable:
        progress = "starting" if self._child is None else self._child.progress
        return Unavailable(f"{self._title} is not in memory yet: {progress}.", code="engine_loading", retry_after_s=10)

    def _check_open(self) -> None:
        if self._closed:
            reason, code = _STOPPING
            raise Unavailable(reason, code=code)

    async def _start(self) -> Child:
        began_s = time.monotonic()
        await self._farewell()
        self._check_open()
        child = await Child.start(
            self._config, environment=self._environment, title=self._title, patience=self._patience
        )
        self._child = child
        try:
            self._check_open()
            await child.ready
        except BaseException:
            await child.end("The model could not be loaded.", "engine_unavailable")
            raise
        _log.info("%s is ready after %.1f s", self._title, time.monotonic() - began_s)
        return child

    async def _farewell(self) -> None:
        """Until no other process holds the model: two may not fit into memory."""
        if self._child is not None:
            await self._child.end("It is replaced.")
        if self._ending:
            await asyncio.wait(self._ending)

    def _started(self, task: asyncio.Task[Child]) -> None:
        self._starting = None
        self._leave_when_idle()  # whoever asked may have gone meanwhile
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._load_failure = None
        elif isinstance(error, ChatterboxError) and not self._closed:
            self._load_failure = (time.monotonic() + self._patience.retry_s, error)
            _log.error("%s cannot be loaded: %s", self._title, error)
        elif not self._closed:
            _log.error("%s cannot be loaded", self._title, exc_info=error)

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _leave_when_idle(self) -> None:
        self._stay()
        if self._patience.idle_s and not self._running and not self._closed:
            self._idle = asyncio.get_running_loop().call_later(self._patience.idle_s, self._leave)

    def _leave(self) -> None:
        if self._child is None or not self._child.usable:
            return
        _log.info("%s leaves memory after %g s without work", self._title, self._patience.idle_s)
        child, self._child = self._child, None
        task = asyncio.create_task(child.end("It was idle."))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
