"""What the parts of the service cost by themselves, each beside a baseline of the same run.

hatch run bench:parts [--sections library texts ...] [--rounds 100] [--sizes 100 10000] [--long] [--json FILE]

library     names, ids, pages, clips and start, by the size of the library; --long adds 100,000 voices
texts       the splitting of texts
queue       the queue before the engine
encoders    each format, complete and streamed, for a second of sound
processes   imports, and the start of the service
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.micro.timing import PartTime, Scale, Section, in_turns
from benchmarks.serving.machine import machine, machine_line
from benchmarks.serving.report import table_lines

__all__ = ["SECTIONS"]

_PROCESSES: Final = "processes"
_LONG: Final = 100_000


def _library() -> Section:
    from benchmarks.micro.library import library

    return library


def _speech(name: str) -> Callable[[], Section]:
    def find() -> Section:
        from benchmarks.micro import speech

        section: Section = getattr(speech, name)
        return section

    return find


def _processes() -> Section:
    from benchmarks.micro.processes import processes

    return processes


SECTIONS: Final[dict[str, Callable[[], Section]]] = {
    "library": _library,
    "texts": _speech("texts"),
    "queue": _speech("queue"),
    "encoders": _speech("encoders"),
    _PROCESSES: _processes,
}
"""Each is imported by itself, so that one whose interfaces another tree does not have leaves the others alone."""


def main() -> None:
    arguments = _arguments()
    sizes = (*arguments.sizes, *([_LONG] if arguments.long else ()))
    scale = Scale(arguments.rounds, sizes)
    here = machine()
    print(machine_line(here), flush=True)
    times: list[PartTime] = []
    failed: dict[str, str] = {}
    for name in arguments.sections:
        try:
            found = asyncio.run(_measured(name, scale))
        except Exception as error:
            if not arguments.keep_going:
                raise
            failed[name] = f"{type(error).__name__}: {error}"
            continue
        times += found
        print(
            f"\n{name}\n\n" + "\n".join(table_lines(("part", "median", "ratio"), list(map(_row, found)), left=1)),
            flush=True,
        )
    if arguments.json:
        values = {"machine": here, "parts": list(map(_as_json, times)), "failed": failed}
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")


async def _measured(name: str, scale: Scale) -> list[PartTime]:
    section = SECTIONS[name]()
    rounds = max(2, scale.rounds // 10) if name == _PROCESSES else scale.rounds
    with tempfile.TemporaryDirectory() as folder:
        async with section(scale, Path(folder)) as parts:
            gc.collect()
            return await in_turns(parts, rounds=rounds)


def _row(time: PartTime) -> list[str]:
    return [time.name, _readable(time.median_s), f"{time.ratio:.2f} x"]


def _readable(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.2f} {unit}"
    return f"{seconds * 1e6:.2f} us"


def _as_json(time: PartTime) -> dict[str, Any]:
    return {"name": time.name, "median_s": time.median_s, "ratio": time.ratio, "rounds": len(time.samples_s)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sections", nargs="+", choices=tuple(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000], help="voices in the library")
    parser.add_argument("--long", action="store_true", help="a library of 100,000 voices too")
    parser.add_argument("--keep-going", action="store_true", help="leave out a section that fails, and say so")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
