"""Times of small pieces of work, in turns with a baseline of the same run, so that noise hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

__all__ = ["Part", "PartTime", "Scale", "Section", "in_turns"]

_SAMPLE_S: Final = 0.0005
_MAX_REPEATS: Final = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of work.

    Attributes:
        call: does it once; what it returns is awaited where it can be.
        units: by which the time is divided, such as the seconds of sound that it encodes.
    """

    name: str
    call: Callable[[], Any]
    units: float = 1.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        rounds: of all parts of a section; those that start a process have a tenth of them, and at least two.
        sizes: of the library, in voices.
    """

    rounds: int = 100
    sizes: tuple[int, ...] = (100, 10_000)


Section: TypeAlias = Callable[[Scale, Path], AbstractAsyncContextManager[Sequence[Part]]]
"""Opens what its parts need, in a folder of its own. The first part is the baseline of the others."""


@dataclass(frozen=True, slots=True)
class PartTime:
    """What a part took, in seconds for each unit; the ratio is that of its median to the baseline's."""

    name: str
    samples_s: tuple[float, ...] = field(repr=False)
    ratio: float

    @property
    def median_s(self) -> float:
        return statistics.median(self.samples_s)


async def in_turns(parts: Sequence[Part], *, rounds: int) -> list[PartTime]:
    """Each round does every part, a quick one so often that the clock's own time does not count."""
    repeats = [await _repeats(part) for part in parts]
    taken: list[list[float]] = [[] for _ in parts]
    for _ in range(rounds):
        for part, count, samples in zip(parts, repeats, taken, strict=True):
            samples.append(await _timed(part, count) / count / part.units)
    base_s = statistics.median(taken[0])
    return [
        PartTime(part.name, tuple(samples), statistics.median(samples) / base_s)
        for part, samples in zip(parts, taken, strict=True)
    ]


async def _repeats(part: Part) -> int:
    """How often a part is done for one sample; doing it here warms it up as well."""
    await _timed(part, 1)
    return max(1, min(_MAX_REPEATS, round(_SAMPLE_S / max(1e-9, await _timed(part, 1)))))


async def _timed(part: Part, count: int) -> float:
    call = part.call
    began_s = time.perf_counter()
    for _ in range(count):
        result = call()
        if isinstance(result, Awaitable):
            await result
    return time.perf_counter() - began_s
