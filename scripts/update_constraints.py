"""Writes the versions that everything here is built with, resolved for Python 3.11 and newer on every platform.

    hatch run lock:update

- constraints.txt: the packages and the environments of hatch.toml.
- packages/synth-chatterbox/constraints.txt: the environment `chatterbox`, whose libraries want older ones.
- docker/constraints-model.txt: the packages with their extra `model`, as the image with a model has them: with the
  torch that chatterbox-tts itself asks for.

Packages state ranges for their users; these files are for the repository alone.
"""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.install_chatterbox import TORCH

ROOT = Path(__file__).parents[1]


def main() -> None:
    projects = [tomllib.loads(path.read_text())["project"] for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]
    environments = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
    packages = required(projects)
    held = [table for table in environments.values() if "UV_CONSTRAINT" not in table.get("env-vars", {})]
    write("constraints.txt", packages | required([environments["default"], *held]))
    chatterbox = required([environments["chatterbox"]])
    write("packages/synth-chatterbox/constraints.txt", packages | chatterbox | {TORCH})
    models = {each for project in projects for each in project.get("optional-dependencies", {}).get("model", [])}
    write("docker/constraints-model.txt", packages | models)


def required(tables: Iterable[dict[str, Any]]) -> set[str]:
    return {requirement for table in tables for requirement in table.get("dependencies", [])}


def write(name: str, requirements: set[str]) -> None:
    subprocess.run(
        [
            *("uv", "pip", "compile", "--universal", "--python-version", "3.11", "--upgrade"),
            *("--no-header", "--no-annotate", "--quiet", "--output-file", str(ROOT / name), "-"),
        ],
        input="\n".join(sorted(each for each in requirements if not each.startswith("chatterbox-api"))),
        text=True,
        check=True,
    )


if __name__ == "__main__":
    main()
