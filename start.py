"""Runs the service from a checkout, with nothing but Python 3.11 or newer and pip:

    python start.py
    python start.py --port 5000

The first time, and whenever a package's requirements have changed, it installs the packages of this checkout into
the virtual environment .venv beside this file, in the versions of constraints.txt. Then it becomes
`chatterbox-api serve`, with the arguments it was given, in this folder: its .env is read.
"""

# ruff: noqa: S603 — the commands are its own
# What is above and outside of functions runs on Python 3.7 too, so that an old one is told so.
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 11)
NOT_NEEDED = ("testkit",)
"""Packages that the service runs without."""


class Refused(Exception):
    """Why the service cannot be started, and what to do about it."""


def main(arguments: list[str]) -> int:
    try:
        if sys.version_info < OLDEST:
            raise Refused(f"This is Python {_shown(sys.version_info[:2])}; {_shown(OLDEST)} or newer is needed.")
        python = environment(ROOT / ".venv")
        install(ROOT, python)
    except Refused as error:
        say(str(error))
        return 3
    except KeyboardInterrupt:
        return 130
    return run([str(python), "-m", "chatterbox_api", "serve", *arguments])


def environment(folder: Path) -> Path:
    """The Python of the virtual environment in `folder`, made where there is none."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not folder.exists():
        say(f"making a virtual environment in {folder}")
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, subprocess.CalledProcessError):
                raise Refused("That failed, see above. On Debian and Ubuntu: apt install python3-venv") from None
            raise
    probe = [str(python), "-c", "import sys, pip; print(*sys.version_info[:2])"]
    try:
        found = subprocess.run(probe, capture_output=True, text=True, check=True).stdout.split()
        version = tuple(map(int, found))
    except (OSError, subprocess.CalledProcessError, ValueError):
        raise Refused(f"{folder} is no virtual environment with pip. Remove it, and start again.") from None
    if version < OLDEST:
        raise Refused(f"{folder} has Python {_shown(version)}, {_shown(OLDEST)} is needed. Remove it, and start again.")
    return python


def install(root: Path, python: Path) -> None:
    """Install the packages of the checkout, unless they are there as they are to be."""
    record = python.parents[1] / "chatterbox-api.installed"
    wanted = fingerprint(root)
    if record.is_file() and record.read_text() == wanted:
        return
    say("installing; this takes a minute")
    record.unlink(missing_ok=True)
    if subprocess.run(install_command(root, python), cwd=root, check=False).returncode != 0:
        raise Refused("The installation failed; pip says why, above. Start again when that is mended.")
    record.write_text(wanted)


def install_command(root: Path, python: Path) -> list[str]:
    """Pip, for every package at once: they need each other, and are on no index. Editable: a change counts at once."""
    found = [argument for package in packages(root) for argument in ("--editable", str(package))]
    options = ["--quiet", "--disable-pip-version-check", "--constraint", str(root / "constraints.txt")]
    return [str(python), "-m", "pip", "install", *options, *found]


def packages(root: Path) -> list[Path]:
    """The folders of the packages that are installed."""
    found = (path.parent for path in (root / "packages").glob("*/pyproject.toml"))
    return sorted(path for path in found if path.name not in NOT_NEEDED)


def fingerprint(root: Path) -> str:
    """Changes when there is something to install: another version, requirement, package, or place of the checkout."""
    digest = hashlib.sha256(str(root).encode())
    for path in (root / "VERSION.py", root / "constraints.txt", *(each / "pyproject.toml" for each in packages(root))):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run(command: list[str]) -> int:
    """Become the command, so that signals reach it; where that cannot be, wait for it and return its exit code."""
    os.chdir(ROOT)
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606 — our own interpreter
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # it got the Ctrl-C as well, and ends in its own time
                continue


def say(text: str) -> None:
    sys.stderr.write(f"start.py: {text}\n")
    sys.stderr.flush()


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
