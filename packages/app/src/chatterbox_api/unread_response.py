"""Measures how fast a client reads a response that is waiting to be sent."""

from __future__ import annotations

import array
import asyncio
import fcntl
import termios
from typing import Final

__all__ = ["UnreadResponse", "unacknowledged_bytes"]

_MINIMUM_RATE_BYTES_S: Final = 1024
"""Half of a slow mobile link; speech in mp3 is 16 kB/s."""


class UnreadResponse:
    """The pace at which a client reads, from the moment when something waits to be sent.

    Args:
        read_bytes: that the client has read of all responses of its connection, so far.
        now_s: of a monotonic clock.
        stall_s: the longest that the client may read less than 1 KiB a second.
    """

    def __init__(self, read_bytes: int, now_s: float, *, stall_s: float) -> None:
        self._stall_s = stall_s
        self._window = self._last = (read_bytes, now_s)

    def is_late(self, read_bytes: int, now_s: float) -> bool:
        """Whether the client has been slower than the minimum for `stall_s`. To be called again and again.

        Args:
            read_bytes: that the client has read of all responses of its connection, so far.
        """
        if read_bytes > self._last[0]:
            self._last = (read_bytes, now_s)
        if read_bytes - self._window[0] >= _MINIMUM_RATE_BYTES_S * self._stall_s:
            self._window = (read_bytes, now_s)
        return now_s - self._window[1] > self._stall_s

    def idle_s(self, now_s: float) -> float:
        """For how long the client has read nothing."""
        return now_s - self._last[1]


def unacknowledged_bytes(transport: asyncio.Transport) -> int:
    """What the client has not acknowledged: in the transport's buffer, and in the system's where it can be asked.

    The system's buffer is refilled megabytes at a time, which would look like minutes without a byte read.
    """
    queued = array.array("i", [0])
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
    except (OSError, ValueError):
        queued[0] = 0
    return transport.get_write_buffer_size() + queued[0]
