"""`python start.py` installs what is missing, once, and becomes the service."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from support.effort import LONG
from support.service import START_S, clean_environment, free_port

ROOT = Path(__file__).parents[1]
INSTALL_S = 600.0

STAND_IN = """#!/bin/sh
case "$2" in
  import*) echo 3 11 ;;
  pip) echo "$@" >> "{root}/pip.log"; exit $(cat "{root}/pip.code") ;;
  chatterbox_api) echo "$$ in $(pwd): $@"; while :; do sleep 0.1; done ;;
esac
"""
"""Instead of the virtual environment's Python."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What start.py looks at, and a virtual environment that only writes down what it is asked to do."""
    root = tmp_path / "checkout"
    for name in ("start.py", "VERSION.py", "constraints.txt"):
        root.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root)
    for path in ROOT.glob("packages/*/pyproject.toml"):
        (root / "packages" / path.parent.name).mkdir(parents=True)
        shutil.copy(path, root / "packages" / path.parent.name)
    python = root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(root=root))
    python.chmod(0o755)
    (root / "pip.code").write_text("0")
    return root


def started(checkout: Path, *arguments: str) -> tuple[int, str]:
    """Start it in another folder, end it by SIGTERM once it runs; its exit code and what it said."""
    process = subprocess.Popen(
        [sys.executable, str(checkout / "start.py"), *arguments],
        cwd=checkout.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    if said:
        assert said.startswith(f"{process.pid} in {checkout}: -m chatterbox_api serve")
        process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=30)
    return process.returncode, said + rest + errors


def installs(checkout: Path) -> list[str]:
    log = checkout / "pip.log"
    return log.read_text().splitlines() if log.exists() else []


def test_it_installs_the_packages_and_becomes_the_service(checkout: Path) -> None:
    """In its own process, so that a signal reaches the service itself; its arguments are the service's."""
    code, said = started(checkout, "--port", "5000", "--env-file", "my settings")
    assert code == -signal.SIGTERM
    assert "serve --port 5000 --env-file my settings\n" in said
    assert "installing" in said
    (command,) = installs(checkout)
    assert f"--constraint {checkout / 'constraints.txt'}" in command
    wanted = {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")} - {"testkit"}
    assert {"app", "core", "synth-espeak"} < wanted
    assert {Path(word).name for word in command.split() if "/packages/" in word} == wanted


def test_it_installs_once(checkout: Path) -> None:
    started(checkout)
    _, said = started(checkout)
    assert "installing" not in said
    assert len(installs(checkout)) == 1


@pytest.mark.parametrize("changed", ["constraints.txt", "VERSION.py", "packages/app/pyproject.toml", "a new package"])
def test_it_installs_again_when_there_is_something_new(checkout: Path, changed: str) -> None:
    started(checkout)
    if changed == "a new package":
        (checkout / "packages/more").mkdir()
        (checkout / "packages/more/pyproject.toml").write_text("")
    else:
        with (checkout / changed).open("a") as file:
            file.write("\n# changed\n")
    started(checkout)
    assert len(installs(checkout)) == 2


def test_an_installation_that_failed_is_tried_again(checkout: Path) -> None:
    (checkout / "pip.code").write_text("1")
    code, said = started(checkout)
    assert code == 3
    assert "The installation failed" in said
    assert "Traceback" not in said
    (checkout / "pip.code").write_text("0")
    assert started(checkout)[0] == -signal.SIGTERM


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("#!/bin/sh\nexit 1\n", "no virtual environment"),
        ("#!/bin/sh\necho 3 9\n", "has Python 3.9"),
        (None, "no virtual"),
    ],
)
def test_an_environment_that_cannot_serve_is_said_and_left(checkout: Path, python: str | None, words: str) -> None:
    path = checkout / ".venv/bin/python"
    if python is None:
        path.unlink()
    else:
        path.write_text(python)
    code, said = started(checkout)
    assert code == 3
    assert words in said
    assert "Traceback" not in said
    assert (checkout / ".venv").exists()
    assert not installs(checkout)


def test_an_old_python_is_refused(checkout: Path) -> None:
    path = checkout / "start.py"
    path.write_text(path.read_text().replace("OLDEST = (3, 11)", "OLDEST = (3, 99)"))
    code, said = started(checkout)
    assert code == 3
    assert "3.99 or newer is needed" in said


if LONG:

    def test_a_bare_checkout_speaks(tmp_path: Path) -> None:
        """For real: an environment is made, the packages are installed, and the second start is only a start."""
        root = tmp_path / "checkout"
        unwanted = shutil.ignore_patterns(".git", ".venv", ".env", "__pycache__", ".*_cache", ".hypothesis", "dist")
        shutil.copytree(ROOT, root, ignore=unwanted)
        for installing in (True, False):
            port = free_port()
            env = clean_environment(tmp_path, {"PORT": str(port), "DRAIN_NOTICE_S": "0"})
            del env["CHATTERBOX_LONG_TESTS"]  # which the service would take for a misspelled setting
            log = tmp_path / "service.log"
            with log.open("wb") as sink:
                process = subprocess.Popen([sys.executable, str(root / "start.py")], env=env, stdout=sink, stderr=sink)
            try:
                deadline = time.monotonic() + INSTALL_S * installing + START_S
                while not _is_ready(port) and process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.2)
                assert _is_ready(port), log.read_text()
                asked = {"input": "Hello.", "response_format": "wav"}
                spoken = httpx.post(f"http://127.0.0.1:{port}/v1/audio/speech", json=asked, timeout=60)
                assert spoken.content.startswith(b"RIFF"), log.read_text()
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=60) == 0
                assert ("installing" in log.read_text()) is installing
            finally:
                process.kill()
                process.wait()

    def _is_ready(port: int) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False
