"""Two trees of the project in one environment: each is found by PYTHONPATH before what is installed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.machine import ROOT

__all__ = ["Tree", "checked_out"]


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree whose packages can be run.

    Attributes:
        name: for people.
        python_path: its packages, with their entry points before those of what is installed.
    """

    name: str
    python_path: str

    @classmethod
    def at(cls, root: Path, site: Path, *, name: str) -> Tree:
        """The tree in a folder.

        Args:
            site: an empty folder, for the entry points of its packages.
        """
        sources = sorted(path for path in (root / "packages").glob("*/src") if path.is_dir())
        for source in sources:
            _describe(source.parent / "pyproject.toml", site)
        subprocess.run([sys.executable, "-m", "compileall", "-q", *map(str, sources)], check=False)
        return cls(name, os.pathsep.join(map(str, [site, *sources])))

    def run(self, *arguments: str, timeout_s: float) -> None:
        """Run a module of the benchmarks of this very tree on the packages of that one.

        Raises:
            RuntimeError: it fails; the message has the end of what it said.
        """
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": self.python_path},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments[0]} failed on {self.name}:\n{(done.stdout + done.stderr)[-2000:]}")


def checked_out(commit: str, folder: Path) -> None:
    """Put the files of a commit into a folder. Nothing of the repository changes. RuntimeError where there is none."""
    done = subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")


def _describe(pyproject: Path, site: Path) -> None:
    """What an installer would write down about a package: its name and its entry points."""
    project = tomllib.loads(pyproject.read_text())["project"]
    folder = site / f"{project['name'].replace('-', '_')}-0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    lines = []
    for group, entries in project.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")
