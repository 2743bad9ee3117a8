"""The model's process, seen from the service: started when there is work, ended when idle, replaced when lost.

    none --work--> loading --ready--> waiting <--> working
     ^                |                  |            |
     +---- failed, hung, killed, idle ---+------------+

Work that a process was doing when it ended fails, and says so; work that waited behind it is done by the next.
"""

from __future__ import annotations

import asyncio
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
"""Processes that may end under work that waits, before it fails with them."""
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
        self._ending: set[asyncio.Task[None]] = set()
        self._load_failure: tuple[float, ChatterboxError] | None = None
        self._running = 0
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        return self._child.pid if self._child is not None and self._child.usable else None

    @property
    def load_failure(self) -> ChatterboxError | None:
        """Why the model cannot be had; None again when the next request would try."""
        if self._load_failure is not None and time.monotonic() < self._load_failure[0]:
            return self._load_failure[1]
        return None

    async def run(self, head: Head, payload: bytes | memoryview = b"") -> Answer:
        """Have one piece of work done. Cancelling it stops the work at its next step, and returns at once.

        Raises:
            SynthesisFailed: the work failed, hung, or took the process down with it.
            Unavailable, ConfigurationError: the model cannot be loaded.
            ChatterboxError: what the work itself raises.
        """
        self._running += 1
        self._stay()
        try:
            for _ in range(_TRIES):
                child = await self._ready_child()
                try:
                    return await child.ask(next(self._numbers), head, payload)
                except Lost as lost:
                    if lost.began:
                        raise SynthesisFailed(str(lost), code=lost.code) from lost
            raise Unavailable("The model's process ended again and again.", code="engine_died", retry_after_s=10)
        finally:
            self._running -= 1
            self._leave_when_idle()

    async def load(self) -> None:
        """Have the model in memory. Raises as `run` does."""
        await self._ready_child()
        self._leave_when_idle()

    async def close(self) -> None:
        """End the child, whatever it is doing."""
        self._closed = True
        self._stay()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait((self._starting,))
        if self._child is not None:
            await self._child.end("The service is stopping.", code="engine_unavailable")
        for task in tuple(self._ending):
            await asyncio.wait((task,))

    async def _ready_child(self) -> Child:
        """The child, ready to work; all who ask while it loads wait for the same one."""
        if self._child is not None and self._child.usable:
            return self._child
        if self._closed:
            raise Unavailable("The engine is stopping.", code="engine_unavailable")
        if self._starting is None:
            if (known := self.load_failure) is not None:
                raise known
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._started)
        return await asyncio.shield(self._starting)

    async def _start(self) -> Child:
        began_s = time.monotonic()
        child = await Child.start(
            self._config, environment=self._environment, title=self._title, patience=self._patience
        )
        try:
            await child.ready
        except BaseException:
            await child.end("The model could not be loaded.", code="engine_unavailable")
            raise
        _log.info("%s is ready after %.1f s", self._title, time.monotonic() - began_s)
        return child

    def _started(self, task: asyncio.Task[Child]) -> None:
        self._starting = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._child, self._load_failure = task.result(), None
        elif isinstance(error, ChatterboxError):
            self._load_failure = (time.monotonic() + self._patience.retry_s, error)
            _log.error("%s cannot be loaded: %s", self._title, error)

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _leave_when_idle(self) -> None:
        self._stay()
        if self._patience.idle_s and not self._running and not self._closed:
            self._idle = asyncio.get_running_loop().call_later(self._patience.idle_s, self._leave)

    def _leave(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        _log.info("%s leaves memory after %g s without work", self._title, self._patience.idle_s)
        task = asyncio.create_task(child.end("It was idle."))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
