"""A limit on the memory of a process that the process sets for itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

__all__ = ["limit_memory"]

_STATM: Final = Path("/proc/self/statm")


def limit_memory(headroom_bytes: int) -> bool:
    """Limit the growth of this process's address space to `headroom_bytes`; allocation beyond it fails.

    Returns:
        Whether the system enforces the limit. Linux does. macOS ignores RLIMIT_AS, and Windows has no such limit.
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
