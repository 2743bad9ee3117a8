"""The answer to one job, between the handle that reads frames and the caller that takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, TypeAlias

from chatterbox_api_worker.frames import Header
from chatterbox_api_worker.spec import JobLimits

__all__ = ["Reply", "Result"]

Result: TypeAlias = tuple[Header, memoryview]
"""The header and the payload of an answer or of a piece of it. The payload is read-only bytes."""
_READ_AHEAD_BYTES: Final = 2**20
"""What one reply keeps in memory before the handle stops reading."""


class Reply:
    """The frames of one job, in the order in which they arrive.

    Attributes:
        limits: the limits of the job.
        finished: whether no further frame comes.
        abandoned: whether the caller no longer waits.
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
        """Count a payload before it is read. Returns False where it exceeds `max_answer_bytes`."""
        self._left_bytes -= size_bytes
        return self._left_bytes >= 0

    def put(self, result: Result, *, last: bool) -> None:
        """Append a frame; `last` says that it is the answer and no piece."""
        if not self.finished:
            self._frames.append(result)
            self._held_bytes += result[1].nbytes
            self.finished = last
            self._changed.set()

    def fail(self, error: Exception) -> None:
        """End the reply with an error. `take` returns the frames before it first."""
        if not self.finished:
            self._error, self.finished = error, True
            self._changed.set()

    async def take(self) -> tuple[Result, bool]:
        """Wait for the next frame. Returns it, and whether it is the last.

        Raises:
            Exception: what `fail` was given, once no frame is left.
        """
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
        """Whether the caller is so far behind that the handle must stop reading."""
        return self._held_bytes > _READ_AHEAD_BYTES

    async def wait_for_room(self) -> None:
        """Wait until `is_full` is false."""
        while self.is_full:
            self._changed.clear()
            await self._changed.wait()

    def abandon(self) -> None:
        """Drop all frames, now and later, since the caller no longer waits."""
        self._frames.clear()
        self._held_bytes = 0
        self.finished = self.abandoned = True
        self._changed.set()
