"""The results as a table, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.serving.results import LISTENER_BUFFER_S, Result

__all__ = ["COLUMNS", "legend", "row", "table", "table_lines"]

COLUMNS: Final = (
    *("server", "format", "case", "n", "refused", "failed", "req/s", "ceiling", "first p50", "p95", "p99"),
    *("whole p50", "p99", "added", "in time", "starved", "stall", "late", "cpu/req", "MiB", "driver"),
)


def row(result: Result) -> list[str]:
    """One line of the table."""
    return [
        result.server,
        result.audio_format,
        result.case,
        str(result.answered),
        f"{result.refused} ({result.refused_ms[2]:.0f} ms)" if result.refused else "0",
        str(result.failed),
        f"{result.per_s:.1f}",
        f"{result.ceiling_share:.2f}",
        *(_number(value) for value in result.first_ms),
        _number(result.whole_ms[0]),
        _number(result.whole_ms[2]),
        _number(result.added_ms),
        "-" if result.in_time is None else f"{100 * result.in_time:.1f} %",
        str(result.starved) if result.streaming else "-",
        f"{_number(result.stall_ms)} ({result.driver_stall_ms:.0f})",
        _number(result.late_ms),
        _number(result.cpu_ms),
        _number(result.memory_mib),
        f"{100 * result.driver_cpu:.0f} %{' LIMIT' if result.limited_by_driver else ''}",
    ]


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """A table of Markdown that reads well as text; so many columns are aligned to the left, the others to the right."""
    widths = [max(len(each[at]) for each in (columns, *rows)) for at in range(len(columns))]
    lines = [columns, ["-" * width for width in widths], *rows]
    return [
        "| "
        + " | ".join(
            value.ljust(width) if at < left else value.rjust(width)
            for at, (value, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]


def table(title: str, results: Sequence[Result]) -> str:
    """The rows of one group."""
    return "\n".join([title, "", *table_lines(COLUMNS, [row(each) for each in results], left=3)])


def legend() -> str:
    """What the columns mean."""
    return (
        "Times in ms. ceiling: share of what the engine alone could answer. first: to the first byte of audio. "
        "added: median of the whole answer beyond the engine's own time and that of the queue before it. "
        f"in time: parts that came before a listener with a buffer of {1e3 * LISTENER_BUFFER_S:.0f} ms needed them. "
        "stall: the longest of the server's event loop, in brackets of the driver's own, which shows the machine's "
        "noise. late: how late the event loop woke the engine. cpu/req: of all the server's processes. "
        "driver: its share of one processor, LIMIT where it was the limit."
    )


def _number(value: Any) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}"
