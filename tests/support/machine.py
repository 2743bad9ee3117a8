"""The machine, which the processes of a run share: how many there are, and which tests have it for themselves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["have_turn", "worker_count"]

MOST_WORKERS: Final = 8


def worker_count(arguments: list[str]) -> int:
    """How many processes a run takes. One file is quicker without any; the tests wait too, so two cores have work for
    three processes.
    """
    if chosen := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(chosen)
    if arguments and all(argument.partition("::")[0].endswith(".py") for argument in arguments):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


@contextmanager
def have_turn(folder: Path, *, alone: bool) -> Generator[None, None, None]:
    """Run beside other tests or, `alone`, beside none.

    Who wants the machine alone keeps the gate shut behind it, so that those in the room leave and none enters.

    Args:
        folder: the processes of a run have it in common.
    """
    with (folder / "gate").open("ab") as gate, (folder / "room").open("ab") as room:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(gate, fcntl.LOCK_UN)
        yield
