"""How a client takes an answer that has been written and not sent yet."""

from __future__ import annotations

import array
import asyncio
import fcntl
import termios
from typing import Final

__all__ = ["UnsentAnswer", "unsent_bytes"]

_MINIMUM_RATE_BYTES_S: Final = 1024
"""Half of a slow mobile link; speech in mp3 is 16 kB/s."""


class UnsentAnswer:
    """The pace at which a client takes what is unsent, from the moment when something is.

    Args:
        stall_s: the longest that the client may take less than 1 KiB a second.
    """

    def __init__(self, taken_bytes: int, now_s: float, *, stall_s: float) -> None:
        self._stall_s = stall_s
        self._window = self._last = (taken_bytes, now_s)

    def is_late(self, taken_bytes: int, now_s: float) -> bool:
        """Whether the client has been slower than the minimum for `stall_s`. To be called again and again.

        Args:
            taken_bytes: of all answers of the connection, so far.
        """
        if taken_bytes > self._last[0]:
            self._last = (taken_bytes, now_s)
        if taken_bytes - self._window[0] >= _MINIMUM_RATE_BYTES_S * self._stall_s:
            self._window = (taken_bytes, now_s)
        return now_s - self._window[1] > self._stall_s

    def still_s(self, now_s: float) -> float:
        """For how long the client has taken nothing."""
        return now_s - self._last[1]


def unsent_bytes(transport: asyncio.Transport) -> int:
    """What the client has not acknowledged: in the transport's buffer, and in the system's where it tells.

    The system's buffer is refilled megabytes at a time, which would look like minutes of silence.
    """
    queued = array.array("i", [0])
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
    except (OSError, ValueError):
        queued[0] = 0
    return transport.get_write_buffer_size() + queued[0]
