"""Conditioning that a model derived from clips: derived once for each clip, and kept within a number of bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from chatterbox_api_core.errors import Unavailable

__all__ = ["ConditioningCache"]

_CANCEL_S: Final = 1.0
"""How long `close` waits for cancelled analyses to end."""


class ConditioningCache:
    """An LRU cache of conditioning as bytes, by the SHA-256 of its clip. Callers of one key at once share one analysis.

    It belongs to one event loop. It lives in the service rather than in the model process, so that conditioning
    outlasts the process.

    Args:
        max_bytes: the most bytes of all values together. A larger value is returned and not kept.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._running: dict[str, tuple[asyncio.Task[bytes], int]] = {}

    @property
    def size_bytes(self) -> int:
        """The bytes of all kept values."""
        return self._bytes

    @property
    def sizes_bytes(self) -> dict[str, int]:
        """The bytes of each kept value by its key, the least recently used first."""
        return {key: len(value) for key, value in self._kept.items()}

    @property
    def running(self) -> int:
        """The number of analyses that run."""
        return len(self._running)

    async def get(self, key: str, analyse: Callable[[], Awaitable[bytes]]) -> bytes:
        """The conditioning of a key. The first caller has it analysed, and the others wait for the same analysis.

        The analysis goes on when one of several callers is cancelled; it is cancelled with the last of them.

        Raises:
            Unavailable: `close` cancelled the analysis.
            Exception: what `analyse` raises; nothing is kept then.
        """
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        task, waiting = self._running.get(key, (None, 0))
        if task is None:
            task = asyncio.create_task(self._analyse(key, analyse))
            task.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # retrieve the error even when no caller waits
        self._running[key] = (task, waiting + 1)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _is_cancelled():
                raise Unavailable("The service is stopping.", code="engine_unavailable") from None
            raise
        finally:
            self._release(key, task)

    async def close(self) -> None:
        """Cancel the analyses that run. Their callers get Unavailable. Takes at most 1 s."""
        tasks = [task for task, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_S)

    async def _analyse(self, key: str, analyse: Callable[[], Awaitable[bytes]]) -> bytes:
        value = await analyse()
        if len(value) <= self._max_bytes:
            self._bytes += len(value) - len(self._kept.pop(key, b""))
            self._kept[key] = value
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return value

    def _release(self, key: str, task: asyncio.Task[bytes]) -> None:
        current, waiting = self._running.get(key, (None, 0))
        if current is not task:
            return
        if waiting > 1 and not task.done():
            self._running[key] = (task, waiting - 1)
        else:
            del self._running[key]
            task.cancel()


def _is_cancelled() -> bool:
    """Whether this task was cancelled, rather than the analysis that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
