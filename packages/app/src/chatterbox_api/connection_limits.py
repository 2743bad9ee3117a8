"""`ConnectionLimits`: the bounds of connections."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ConnectionLimits"]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What connections may take.

    Attributes:
        connections: the most that are open at once.
        header_s: the longest from the connection, or from the first byte of a later request, to the end of its headers.
        keep_alive_s: the longest that a connection may stay open between two requests.
        stall_s: the longest that a client may read less than 1 KiB a second of a response that waits for it.
        idle_s: after so long without a byte read of such a response, its connection may be closed for a new one.
        body_s: the longest that the rest of a body may take to arrive behind its response.
        header_bytes: of a request, with its first line; and of what waits behind a request in work.
    """

    connections: int = 2048
    header_s: float = 20.0
    keep_alive_s: float = 75.0
    stall_s: float = 60.0
    idle_s: float = 5.0
    body_s: float = 60.0
    header_bytes: int = 2**15
