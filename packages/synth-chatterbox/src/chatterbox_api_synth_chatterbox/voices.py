"""Analysed voices: each clip once, bounded by bytes, whoever asks and however many ask at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from chatterbox_api_core.errors import Unavailable

__all__ = ["AnalysedVoices"]

_CALL_OFF_S: Final = 1.0


class AnalysedVoices:
    """What a model made of clips, by the clips' SHA-256; the longest unused goes first.

    Used on one event loop. It lives in the service rather than with the model, so that a voice outlasts the model's
    process.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._flights: dict[str, tuple[asyncio.Task[bytes], int]] = {}

    @property
    def size_bytes(self) -> int:
        return self._bytes

    async def get(self, key: str, analyse: Callable[[], Awaitable[bytes]]) -> bytes:
        """The voice, analysed by the first who asks. Raises what `analyse` raises, and keeps nothing then.

        A flight lands for those who wait when one of them leaves; it is called off when the last one does.
        """
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        task, waiting = self._flights.get(key, (None, 0))
        if task is None:
            task = asyncio.create_task(self._analyse(key, analyse))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # whether or not anybody waits
        self._flights[key] = (task, waiting + 1)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _is_cancelled():
                raise Unavailable("The service is stopping.", code="engine_unavailable") from None
            raise
        finally:
            self._leave(key, task)

    async def close(self) -> None:
        """Call off what is under way; whoever waits for it is told so."""
        tasks = [task for task, _ in self._flights.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CALL_OFF_S)

    async def _analyse(self, key: str, analyse: Callable[[], Awaitable[bytes]]) -> bytes:
        voice = await analyse()
        if len(voice) <= self._max_bytes:
            self._bytes += len(voice) - len(self._kept.pop(key, b""))
            self._kept[key] = voice
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return voice

    def _leave(self, key: str, task: asyncio.Task[bytes]) -> None:
        flight, waiting = self._flights.get(key, (None, 0))
        if flight is not task:
            return
        if waiting > 1 and not task.done():
            self._flights[key] = (task, waiting - 1)
        else:
            del self._flights[key]
            task.cancel()


def _is_cancelled() -> bool:
    """Whether it is this task that somebody cancelled, rather than what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
