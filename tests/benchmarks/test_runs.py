"""The commands themselves, each as short as it can be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_serve_measures_the_service_and_leaves_nothing_running(tmp_path: Path) -> None:
    file, plot = tmp_path / "results.json", tmp_path / "results.svg"
    before = set(psutil.Process().children(recursive=True))  # of other tests, which share their servers
    done = run("benchmarks.serve", "--quick", "--json", str(file), "--svg", str(plot))
    values = json.loads(file.read_text())
    assert [row["group"] for row in values["results"]] == ["quick"] * 5
    for each in values["results"]:
        assert each["answered"] > 0, each
        assert each["failed"] == 0, each
        assert each["whole_ms"][0] is None or each["whole_ms"][0] > each["own_ms"] - 2, "faster than its engine"
        assert each["ceiling_share"] < 1.5, each
        assert each["stall_ms"] > 0
        assert each["cpu_ms"] > 0
        assert each["memory_mib"] > 20
        assert each["audio_format"] in done.stdout
    assert plot.read_text().startswith("<svg")
    assert not set(psutil.Process().children(recursive=True)) - before


def test_parts_of_every_section_are_measured(tmp_path: Path) -> None:
    file = tmp_path / "parts.json"
    sections = ("library", "texts", "queue", "encoders")
    run("benchmarks.parts", "--rounds", "1", "--sizes", "5", "--sections", *sections, "--json", str(file))
    values = json.loads(file.read_text())
    assert values["failed"] == {}
    assert sum(part["name"].startswith("baseline") for part in values["parts"]) == len(sections)
    for name in ("a name, another each time, 5 voices", "a slot that is free", "a second of mp3, streamed"):
        (part,) = (part for part in values["parts"] if part["name"] == name)
        assert part["median_s"] > 0
        assert part["ratio"] > 0


def test_this_tree_can_be_compared_with_a_commit(tmp_path: Path) -> None:
    file = tmp_path / "ratios.json"
    few = ("--rounds", "1", "--part-rounds", "1", "--what", "parts", "--sections", "queue", "--json", str(file))
    done = run("benchmarks.compare", "HEAD", *few)
    values = json.loads(file.read_text())
    assert values["slower"] == [], "one round tells nothing"
    assert set(values["ratios"]) >= {"a slot that is free", "a refusal by a full queue"}
    assert "(noise)" in done.stdout
