"""Bounds of the bodies of all requests together."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from chatterbox_api_core.errors import Overloaded
from chatterbox_api_http_litestar.limits import HttpLimits

__all__ = ["BodyBudget"]

_MAX_WAITING: Final = 32
_RETRY_AFTER_S: Final = 5.0


class BodyBudget:
    """Counts the bytes of bodies in memory, of bodies in temporary files, and of uploads that requests use.

    Args:
        limits: the bounds.

    Attributes:
        memory_bytes, file_bytes: taken right now by bodies, in memory and in temporary files.
        loaded_bytes: taken right now by uploads that have been read back for their request.
        directory: of the temporary files; None for the system's own.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self.memory_bytes = self.file_bytes = self.loaded_bytes = 0
        self.directory = limits.bodies_dir
        self._limits = limits
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def take_memory(self, size: int) -> bool:
        """Take room in memory; False where there is none, and then nothing is taken."""
        if self.memory_bytes + size > self._limits.bodies_memory_bytes:
            return False
        self.memory_bytes += size
        return True

    def take_file(self, size: int) -> None:
        """Take room in temporary files. Raises Overloaded."""
        if self.file_bytes + size > self._limits.bodies_file_bytes:
            raise _overloaded()
        self.file_bytes += size

    async def take_loaded(self, size: int) -> int:
        """Wait for room to read an upload back, first come, first served, and return how many bytes were taken.

        Raises:
            Overloaded: many wait already, or the wait is too long.
        """
        size = min(size, self._limits.bodies_loaded_bytes)
        if not self._waiting and self._has_room(size):
            self.loaded_bytes += size
            return size
        if len(self._waiting) >= _MAX_WAITING:
            raise _overloaded()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(self._limits.load_wait_s):
                await turn
        except BaseException as error:
            if turn.cancelled():
                self._waiting.remove((size, turn))
            else:  # the room was given in the moment in which the wait ended
                self.loaded_bytes -= size
            self._admit()
            if isinstance(error, TimeoutError):
                raise _overloaded() from None
            raise
        return size

    def free(self, *, memory: int = 0, file: int = 0, loaded: int = 0) -> None:
        """Free bytes that were taken; those who wait for room to load get it."""
        self.memory_bytes -= memory
        self.file_bytes -= file
        self.loaded_bytes -= loaded
        self._admit()

    def _has_room(self, size: int) -> bool:
        return self.loaded_bytes + size <= self._limits.bodies_loaded_bytes

    def _admit(self) -> None:
        while self._waiting and self._has_room(self._waiting[0][0]):
            size, turn = self._waiting[0]
            if turn.cancelled():  # its waiter removes it, and calls this again
                return
            self._waiting.popleft()
            self.loaded_bytes += size
            turn.set_result(None)


def _overloaded() -> Overloaded:
    return Overloaded(
        "The server holds as many uploads as it can.",
        remedy="Try again a little later.",
        retry_after_s=_RETRY_AFTER_S,
    )
