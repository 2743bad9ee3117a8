"""Installs what the environment `chatterbox` cannot ask for as its dependencies; a second time it does nothing.

The environment is for development: torch is newer there than the one that chatterbox-tts names, and much of what
chatterbox-tts names is not needed. So torch comes first, then chatterbox-tts and its parts without their dependencies,
which the environment has already. Of torchaudio only Python code is used; its compiled part is made for the torch of
its own number and is removed.

Pip does it and not uv, because pip also takes a build of torch that the machine offers by PIP_FIND_LINKS.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Final

TORCH: Final = "torch==2.13.0"
ALONE: Final = (
    "chatterbox-tts==0.1.7",
    "conformer==0.3.2",
    "resemble-perth==1.0.1",
    "s3tokenizer==0.3.0",
    "torchaudio==2.11.0",
)


def main() -> None:
    if not installed(TORCH):
        install(TORCH)
    if missing := [requirement for requirement in ALONE if not installed(requirement)]:
        install("--no-deps", *missing)
    remove_compiled_part()


def installed(requirement: str) -> bool:
    """Whether this version is there; a build of it, as in 2.13.0+cpu, counts as the version."""
    name, _, version = requirement.partition("==")
    try:
        return importlib.metadata.version(name).partition("+")[0] == version
    except importlib.metadata.PackageNotFoundError:
        return False


def install(*arguments: str) -> None:
    print("installing", *(each for each in arguments if "==" in each), flush=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)


def remove_compiled_part() -> None:
    """Of torchaudio: where it is there, torchaudio loads it, and fails."""
    for file in importlib.metadata.files("torchaudio") or ():
        if file.name.startswith("_torchaudio."):
            Path(str(file.locate())).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
