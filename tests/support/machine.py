"""The machine, which the processes of a run share."""

from __future__ import annotations

import os
import sys
from typing import Final

__all__ = ["worker_count"]

_MOST_WORKERS: Final = 8


def worker_count(arguments: list[str]) -> int:
    """How many processes a run takes; 0 is none beside the first.

    Single files are quicker without any. Tests wait too, so that two cores have work for three processes.
    """
    if chosen := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(chosen)
    if arguments and all(argument.partition("::")[0].endswith(".py") for argument in arguments):
        return 0
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores + 1, _MOST_WORKERS)
