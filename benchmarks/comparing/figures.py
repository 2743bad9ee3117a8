"""From what the measurements wrote down to figures by name, of which less is better, and what is to be said of two."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.serving.statistics import Verdict, compared

__all__ = ["BASELINE", "Figures", "collected", "comparison_row", "figures_of_parts", "figures_of_serving", "judged"]

Figures = dict[str, float]

BASELINE: Final = "baseline"
"""How the name of a figure begins that knows nothing of the project: it shows the noise, and is never judged."""


def figures_of_parts(values: Mapping[str, Any]) -> Figures:
    """In milliseconds."""
    return {part["name"]: 1e3 * part["median_s"] for part in values["parts"]}


def figures_of_serving(values: Mapping[str, Any]) -> Figures:
    """In milliseconds; those that a run could not tell are left out."""
    found: Figures = {}
    for row in values["results"]:
        name = f"{row['group']}, {row['audio_format']}, {row['case']}"
        known = {
            "first audio": row["first_ms"][0],
            "whole": row["whole_ms"][0],
            "processor": row["cpu_ms"],
            "time for each answer": 1e3 / row["per_s"] if row["per_s"] else None,
        }
        found |= {f"{name}: {what}": value for what, value in known.items() if value}
    return found


def collected(rounds: Sequence[Figures]) -> dict[str, list[float]]:
    """By name, the values of those figures that every round has."""
    names = [name for name in rounds[0] if all(name in each for each in rounds)] if rounds else []
    return {name: [each[name] for each in rounds] for name in names}


def judged(ours: Sequence[Figures], theirs: Sequence[Figures]) -> dict[str, tuple[float, float, Verdict]]:
    """By name: the medians of both trees, and the verdict; for figures that both have in every round."""
    mine, other = collected(ours), collected(theirs)
    return {
        name: (statistics.median(values), statistics.median(other[name]), compared(values, other[name]))
        for name, values in mine.items()
        if name in other
    }


def comparison_row(name: str, found: tuple[float, float, Verdict]) -> list[str]:
    """One line of the table."""
    mine, other, verdict = found
    word = "slower" if verdict.slower else "faster" if verdict.faster else ""
    if name.startswith(BASELINE):
        word = "(noise)"
    spread = f"{verdict.low:.2f} to {verdict.high:.2f}"
    return [name, word, f"{mine:.4g}", f"{other:.4g}", f"{verdict.ratio:.2f}", spread]
