"""Whether this tree is slower than another commit, beyond the noise.

    hatch run bench:compare BASE [--rounds 5] [--what parts serve] [--sections library texts ...] [--json FILE]

Measures both in this environment, in turns, with the measuring code of this tree. What cannot be measured of the other
commit, since its interfaces differ, is left out and named. Each round gives a ratio for each figure. A figure is slower
where the interval of its ratios lies beyond 1.05, and does so again in as many rounds more.

Exit codes: 0, nothing is slower; 1, something is; 2, nothing could be compared.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.comparing.figures import (
    BASELINE,
    Figures,
    comparison_row,
    figures_of_parts,
    figures_of_serving,
    judged,
)
from benchmarks.comparing.trees import Tree, checked_out
from benchmarks.parts import SECTIONS
from benchmarks.serving.machine import ROOT, machine, machine_line
from benchmarks.serving.report import table_lines

_RUN_S: Final = 600.0
_COLUMNS: Final = ("figure", "verdict", "ours ms", "theirs ms", "ratio", "spread")


@dataclass(slots=True)
class _Rounds:
    """What has been measured of two trees, round by round."""

    ours: list[Figures] = field(default_factory=list)
    theirs: list[Figures] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def slower(self) -> set[str]:
        found = judged(self.ours, self.theirs)
        return {name for name, (_, _, verdict) in found.items() if verdict.slower and not name.startswith(BASELINE)}


def main() -> None:
    arguments = _arguments()
    here = machine()
    print(machine_line(here), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            checked_out(arguments.base, folder / "base")
        except RuntimeError as error:
            print(f"{arguments.base} cannot be compared with: {error}", file=sys.stderr)
            sys.exit(2)
        trees = (
            Tree.at(ROOT, folder / "our-site", name="this tree"),
            Tree.at(folder / "base", folder / "base-site", name=arguments.base),
        )
        runs = _runs(arguments)
        rounds = _measured(trees, runs, arguments.rounds, folder / "figures.json")
        suspects = rounds.slower()
        slower: set[str] = set()
        if suspects:
            print(f"\nmeasured again: {len(suspects)} that seem slower", flush=True)
            slower = suspects & _measured(trees, runs, arguments.rounds, folder / "figures.json").slower()
    found = judged(rounds.ours, rounds.theirs)
    rows = [comparison_row(name, values) for name, values in found.items()]
    print("\n" + "\n".join(table_lines(_COLUMNS, rows, left=2)))
    for name, reason in rounds.left_out.items():
        print(f"left out: {name}: {reason}")
    for name in sorted(slower):
        print(f"slower than {arguments.base} beyond the noise, twice: {name} ({found[name][2].ratio:.2f} x)")
    if arguments.json:
        ratios = {name: [verdict.ratio, verdict.low, verdict.high] for name, (_, _, verdict) in found.items()}
        values = {"machine": here, "base": arguments.base, "ratios": ratios, "slower": sorted(slower)}
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")
    sys.exit(2 if not found else 1 if slower else 0)


def _runs(arguments: argparse.Namespace) -> list[tuple[list[str], Callable[[Any], Figures]]]:
    """The commands of a round, without the file that they write, and how that is read."""
    sizes = [str(size) for size in arguments.sizes]
    parts = ["benchmarks.parts", "--keep-going", "--rounds", str(arguments.part_rounds), "--sizes", *sizes]
    commands: dict[str, tuple[list[str], Callable[[Any], Figures]]] = {
        "parts": ([*parts, "--sections", *arguments.sections], figures_of_parts),
        "serve": (["benchmarks.serve", "--quick"], figures_of_serving),
    }
    return [commands[each] for each in arguments.what]


def _measured(
    trees: tuple[Tree, Tree], runs: list[tuple[list[str], Callable[[Any], Figures]]], count: int, file: Path
) -> _Rounds:
    """Rounds in which the trees take turns, each as often the first of the two."""
    rounds = _Rounds()
    for number in range(count):
        figures: dict[str, Figures] = {}
        for tree in trees if number % 2 == 0 else trees[::-1]:
            figures[tree.name] = {}
            for command, read in runs:
                try:
                    tree.run(*command, "--json", str(file), timeout_s=_RUN_S)
                except RuntimeError as error:
                    rounds.left_out[f"{command[0]} of {tree.name}"] = str(error).splitlines()[-1]
                    continue
                values = json.loads(file.read_text())
                rounds.left_out |= {f"{name} of {tree.name}": why for name, why in values.get("failed", {}).items()}
                figures[tree.name] |= read(values)
        rounds.ours.append(figures[trees[0].name])
        rounds.theirs.append(figures[trees[1].name])
        print(f"round {number + 1} of {count} is measured", flush=True)
    return rounds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", metavar="BASE", help="a commit, branch or tag")
    parser.add_argument("--rounds", type=int, default=5, help="at least five, or nothing can be told from chance")
    parser.add_argument("--what", nargs="+", choices=("parts", "serve"), default=["parts", "serve"])
    parser.add_argument("--sections", nargs="+", choices=tuple(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--part-rounds", type=int, default=30, help="of all parts, in each round")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000], help="voices in the library")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
