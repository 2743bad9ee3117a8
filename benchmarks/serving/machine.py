"""Where a measurement was made: a line for people, and the same as values."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "machine", "machine_line"]

ROOT = Path(__file__).parents[2]


def machine() -> dict[str, Any]:
    """What a figure depends on, beside the code."""
    return {
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "commit": _commit(),
    }


def machine_line(values: dict[str, Any]) -> str:
    return (
        f"{values['processors']} x {values['processor']}, {values['system']}, Python {values['python']}, "
        f"load {values['load'][0]:g} before the run, commit {values['commit']}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
