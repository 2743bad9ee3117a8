"""Analysed voices: each clip once, bounded by bytes, whoever asks and however many ask at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

__all__ = ["AnalysedVoices"]


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
        self._flights[key] = (task, waiting + 1)
        try:
            return await asyncio.shield(task)
        finally:
            self._leave(key, task)

    async def close(self) -> None:
        """Call off what is under way."""
        tasks = [task for task, _ in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _analyse(self, key: str, analyse: Callable[[], Awaitable[bytes]]) -> bytes:
        voice = await analyse()
        if len(voice) <= self._max_bytes:
            self._kept[key] = voice
            self._bytes += len(voice)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return voice

    def _leave(self, key: str, task: asyncio.Task[bytes]) -> None:
        waiting = self._flights[key][1] - 1 if self._flights.get(key, (None, 0))[0] is task else 0
        if task.done() or not waiting:
            if self._flights.get(key, (None, 0))[0] is task:
                del self._flights[key]
            if not task.done():
                task.cancel()
            elif not task.cancelled():
                task.exception()  # seen
        else:
            self._flights[key] = (task, waiting)
