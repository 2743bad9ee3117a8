"""What the stub engine sees of its event loop, as lines of JSON that the driver reads.

A line has `at_s` (the machine's monotonic clock, which processes share), `stall_s` (the longest time in which the loop
ran nothing, since the line before), and the engine's counts so far: `calls`, `planned_s`, `late_s`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TextIO

from benchmarks.stub_engine.synthesizer import StubSynthesizer

__all__ = ["logging_to"]

_LOOK_S: Final = 0.01
_LINE_S: Final = 0.25


@asynccontextmanager
async def logging_to(path: Path, engine: StubSynthesizer) -> AsyncGenerator[None, None]:
    """Look at the event loop for as long as the context lasts."""
    with path.open("a", buffering=1) as file:
        task = asyncio.create_task(_look(file, engine))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _look(file: TextIO, engine: StubSynthesizer) -> None:
    longest_s, line_at_s = 0.0, time.monotonic()
    while True:
        began_s = time.monotonic()
        await asyncio.sleep(_LOOK_S)
        now_s = time.monotonic()
        longest_s = max(longest_s, now_s - began_s - _LOOK_S)
        if now_s - line_at_s >= _LINE_S:
            counts = {"calls": engine.calls, "planned_s": engine.planned_s, "late_s": engine.late_s}
            file.write(json.dumps({"at_s": now_s, "stall_s": longest_s, **counts}) + "\n")
            longest_s, line_at_s = 0.0, now_s
