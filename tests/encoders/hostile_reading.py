"""A program that reads hostile clips and prints, as JSON, what became of them and what the reader did meanwhile.

`python -m encoders.hostile_reading SEED FIRST COUNT PORT FILE FIFO PROGRESS`; PROGRESS is a file that always holds the
number of the clip being read, for the case that this process dies of it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import psutil
from encoders.hostile_clips import case, crafted, valid_clips

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader

__all__ = ["Watch", "main"]

LIMITS: Final = ClipLimits()
PATIENT: Final = ClipLimits(deadline_s=60)
"""For what a clip is taken for in the end, on a machine that has other things to do."""
_TELLTALE: Final = ("open", "socket.", "subprocess.", "os.posix_spawn", "os.fork", "os.exec", "tempfile.", "shutil.")


class Watch:
    """What Python and the system see of this process: files, connections, threads, memory."""

    def __init__(self) -> None:
        self.reading = False
        self.events: list[str] = []
        self.seen: set[str] = set()
        self._process = psutil.Process()
        self._before = self._held()
        self.rss_before = int(self._process.memory_info().rss)
        self._peak_before = _peak_bytes()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        ours = threading.current_thread() is threading.main_thread()  # the other one looks on
        if self.reading and ours and event.startswith(_TELLTALE):
            self.events.append(f"{event} {args}")

    def look_on(self) -> None:
        """Watch, from a thread of its own, for files and sockets that are open while a clip is read.

        FFmpeg opens what it opens without Python; a connection, or the wait for one, lasts long enough to be seen.
        """
        while True:
            time.sleep(0.002)
            known = set(self._before[0])
            if not self.reading:
                continue
            names = set(self._held()[0]) - known
            if names and self.reading:
                self.seen |= names

    def _held(self) -> tuple[list[str], int]:
        """Files, sockets and pipes by their names, and how many threads there are."""
        names = []
        for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 — it holds one of its own, which is gone then
            try:
                names.append(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115
            except FileNotFoundError:
                continue
        names = [name for name in names if not name.startswith("/proc/")]
        return sorted(names), self._process.num_threads()

    def left_behind(self) -> str | None:
        """What is open or running now and was not at the beginning. A connection would be open for its timeout."""
        now, deadline = self._held(), time.monotonic() + 1
        while now != self._before and time.monotonic() < deadline:  # a thread that was joined ends a little later
            time.sleep(0.01)
            now = self._held()
        return None if now == self._before and threading.active_count() == 2 else f"{self._before} -> {now}"

    def begin(self) -> None:
        """Take what is open and running now for what may be."""
        self._before = self._held()

    def memory(self) -> dict[str, int]:
        return {
            "growth_bytes": int(self._process.memory_info().rss) - self.rss_before,
            "peak_bytes": _peak_bytes() - self._peak_before,
        }


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(seed: int, first: int, count: int, traps: tuple[int, str, str], progress: Path) -> dict[str, Any]:
    """Read them all; `wrong` is what should not have been."""
    valid, special = valid_clips(), crafted(traps)
    reader = InProcessClipReader()
    for data in valid.values():
        reader.decode(data, limits=LIMITS)
    watch = Watch()
    outcomes: Counter[str] = Counter()
    slowest = longest = (0.0, "")
    wrong: list[str] = []
    with progress.open("wb", buffering=0) as note:
        threading.Thread(target=watch.look_on, daemon=True).start()
        watch.begin()
        for number in range(first, first + count):
            name, data = case(seed, number, valid, special)
            note.seek(0)
            note.write(f"{number:8}".encode())
            watch.reading = True
            began, began_cpu = time.perf_counter(), time.process_time()
            try:
                reader.decode(data, limits=LIMITS)
                outcome = "read"
            except InvalidAudio as error:
                outcome = error.code
                if error.field != "clip" or not error.remedy:
                    wrong.append(f"{name}: {error!r} has no field or remedy")
            except Exception as error:
                outcome = type(error).__name__
                wrong.append(f"{name}: {error!r}")
            slowest = max(slowest, (time.process_time() - began_cpu, name))
            longest = max(longest, (time.perf_counter() - began, name))
            watch.reading = False
            outcomes[outcome] += 1
            if left := watch.left_behind():
                wrong.append(f"{name}: left behind {left}")
    outcomes_of_crafted = {name: _outcome(reader, data) for name, data in special.items()} if first == 0 else {}
    return {
        "outcomes": outcomes,
        "crafted": outcomes_of_crafted,
        "slowest_cpu": slowest,
        "slowest": longest,
        "events": watch.events,
        "seen": sorted(watch.seen),
        "wrong": wrong,
        **watch.memory(),
    }


def _outcome(reader: InProcessClipReader, data: bytes) -> str:
    try:
        reader.decode(data, limits=PATIENT)
    except InvalidAudio as error:
        return error.code
    return "read"


if __name__ == "__main__":
    seed, first, count, port = map(int, sys.argv[1:5])
    file, fifo, progress = sys.argv[5:8]
    print(json.dumps(main(seed, first, count, (port, file, fifo), Path(progress))))
