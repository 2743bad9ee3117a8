"""The real service as a process of its own, as a user starts it, and what became of its processes."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import psutil

from support.warm_commands import READ_AT_THE_START, run_warm

__all__ = ["RunningService", "clean_environment", "free_port", "run_cli", "running_service", "start_service"]

START_S = 30.0
_PORTS: Final = 1000
_FIRST_PORT: Final = 20_000 + _PORTS * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_offsets: Final = count(random.Random(os.getpid()).randrange(_PORTS))


@dataclass
class RunningService:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def children(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def free_port() -> int:
    """A port that nobody has, and that nobody is given before it is used.

    It lies below those that the system chooses itself, and each process of a parallel run has a range of its own.
    """
    for _ in range(_PORTS):
        port = _FIRST_PORT + next(_offsets) % _PORTS
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def clean_environment(cwd: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with `settings`, and a library of the test's own beside its folder."""
    data = cwd.with_name(f"{cwd.name}-data")
    ours = ("CHATTERBOX_LONG_TESTS", "R2_TEST_")  # which the service would take for misspelled settings
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "DATA_DIR": str(data), **settings}


def run_cli(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """One command of `chatterbox-api`, to its end."""
    env = clean_environment(cwd, settings)
    if not READ_AT_THE_START.isdisjoint(settings):
        command = [sys.executable, "-m", "chatterbox_api", *arguments]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)
    return run_warm(arguments, cwd=cwd, env=env, timeout_s=120)


def start_service(cwd: Path, **settings: str) -> RunningService:
    """Start `chatterbox-api serve` and wait until it is ready."""
    port = int(settings.setdefault("PORT", str(free_port())))
    log = cwd / "service.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "chatterbox_api", "serve"],
            cwd=cwd,
            env=clean_environment(cwd, settings),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    service = RunningService(process, f"http://127.0.0.1:{port}", log)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{service.url}/ready", timeout=2).status_code == 200:
                return service
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError(f"the service did not start:\n{log.read_text()}")


@contextmanager
def running_service(cwd: Path, **settings: str) -> Generator[RunningService, None, None]:
    """The service for the length of a block; in the end it must stop in good order and leave nothing running."""
    service = start_service(cwd, **{"DRAIN_NOTICE_S": "0", **settings})
    try:
        yield service
        children = service.children()
        assert service.stop() == 0, service.log.read_text()
        gone, alive = psutil.wait_procs(children, timeout=2)
        assert not alive, f"left running: {alive}"
        assert len(gone) == len(children)
    finally:
        if service.process.poll() is None:
            os.killpg(service.process.pid, signal.SIGKILL)
            service.process.wait()
