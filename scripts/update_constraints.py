"""Writes constraints.txt: the versions that every environment here is built with.

    hatch run lock:update

It holds what the packages and the environments of hatch.toml ask for, resolved for Python 3.11 and newer on
every platform. Packages state ranges for their users; this file is for the repository alone.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    projects = [tomllib.loads(path.read_text())["project"] for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]
    environments = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"].values()
    held = [table for table in environments if table.get("env-vars", {}).get("UV_CONSTRAINT") != ""]
    wanted = {requirement for table in (*projects, *held) for requirement in table.get("dependencies", [])}
    ours = tuple(project["name"] for project in projects)
    subprocess.run(
        [
            *("uv", "pip", "compile", "--universal", "--python-version", "3.11", "--upgrade"),
            *("--no-header", "--no-annotate", "--quiet", "--output-file", str(ROOT / "constraints.txt"), "-"),
        ],
        input="\n".join(sorted(each for each in wanted if not each.startswith(ours))),
        text=True,
        check=True,
    )


if __name__ == "__main__":
    main()
