"""The core is light: no dependency, and next to no time to import."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from importlib.metadata import requires

import chatterbox_api_core


def test_has_no_dependencies() -> None:
    assert requires("chatterbox-api-core") is None


def test_importing_adds_less_than_50_ms() -> None:
    """Of the processor's time, whatever else the machine does; medians of runs in turn."""

    def seconds(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    runs = [(seconds("pass"), seconds("import chatterbox_api_core")) for _ in range(9)]
    added = statistics.median(with_core for _, with_core in runs) - statistics.median(bare for bare, _ in runs)
    assert added < 0.05


def test_public_names_are_sorted_and_exist() -> None:
    names = chatterbox_api_core.__all__
    assert names == sorted(names)
    for name in names:
        assert getattr(chatterbox_api_core, name).__name__ == name
    assert dir(chatterbox_api_core) == names
