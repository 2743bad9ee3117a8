"""A bound on the memory of a process, set by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

__all__ = ["limit_memory"]

_STATM: Final = Path("/proc/self/statm")


def limit_memory(headroom_bytes: int) -> bool:
    """Let the address space of this process grow by `headroom_bytes` at the most; beyond, allocation fails.

    Returns:
        Whether the system enforces it. Linux does; macOS takes RLIMIT_AS and looks away, Windows has none.
    """
    if sys.platform != "linux":
        return False
    import resource

    size_bytes = int(_STATM.read_text("ascii").split()[0]) * resource.getpagesize()
    _, hard_bytes = resource.getrlimit(resource.RLIMIT_AS)
    limit_bytes = size_bytes + headroom_bytes
    if hard_bytes != resource.RLIM_INFINITY:
        limit_bytes = min(limit_bytes, hard_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard_bytes))
    return True
