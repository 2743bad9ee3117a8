"""What comes back for one job."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, TypeAlias

from chatterbox_api_worker.frames import Header
from chatterbox_api_worker.spec import JobLimits

__all__ = ["Reply", "Result"]

Result: TypeAlias = tuple[Header, memoryview]
"""The header and the payload of an answer, or of a piece of it; the payload is read-only."""
_READ_AHEAD_BYTES: Final = 2**20


class Reply:
    """The frames of one job, in order, between the handle that reads them and the caller that takes them.

    Attributes:
        limits: of the job.
        finished: whether nothing more comes.
        abandoned: whether the caller has gone.
    """

    def __init__(self, limits: JobLimits) -> None:
        self.limits = limits
        self.finished = self.abandoned = False
        self._left_bytes = limits.max_answer_bytes
        self._frames: deque[Result] = deque()
        self._held_bytes = 0
        self._error: Exception | None = None
        self._changed = asyncio.Event()

    def reserve(self, size_bytes: int) -> bool:
        """Count a payload that is about to be read; False where it goes beyond the bound."""
        self._left_bytes -= size_bytes
        return self._left_bytes >= 0

    def put(self, result: Result, *, last: bool) -> None:
        if not self.finished:
            self._frames.append(result)
            self._held_bytes += result[1].nbytes
            self.finished = last
            self._changed.set()

    def fail(self, error: Exception) -> None:
        """What was put before is taken before the error is raised."""
        if not self.finished:
            self._error, self.finished = error, True
            self._changed.set()

    async def take(self) -> tuple[Result, bool]:
        """The next frame, and whether it is the last. Raises the error once no frame is left."""
        while not self._frames:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        result = self._frames.popleft()
        self._held_bytes -= result[1].nbytes
        self._changed.set()
        return result, self.finished and self._error is None and not self._frames

    @property
    def is_full(self) -> bool:
        """Whether the caller is so far behind that the worker has to wait."""
        return self._held_bytes > _READ_AHEAD_BYTES

    async def room(self) -> None:
        """Wait until it is not full."""
        while self.is_full:
            self._changed.clear()
            await self._changed.wait()

    def abandon(self) -> None:
        """Keep nothing from now on: the caller has gone."""
        self._frames.clear()
        self._held_bytes = 0
        self.finished = self.abandoned = True
        self._changed.set()
