"""The core is light: no dependency, and next to no time to import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from importlib.metadata import requires

import chatterbox_api_core


def test_has_no_dependencies() -> None:
    assert requires("chatterbox-api-core") is None


def test_importing_adds_less_than_50_ms() -> None:
    """Medians of runs in turn, so that both see the same machine."""

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    runs = [(seconds("pass"), seconds("import chatterbox_api_core")) for _ in range(9)]
    added = statistics.median(with_core for _, with_core in runs) - statistics.median(bare for bare, _ in runs)
    assert added < 0.05


def test_public_names_are_sorted_and_exist() -> None:
    names = chatterbox_api_core.__all__
    assert names == sorted(names)
    for name in names:
        assert getattr(chatterbox_api_core, name).__name__ == name
    assert dir(chatterbox_api_core) == names
