"""The server that is measured, as a process of its own, and what it costs the machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving.http_client import Address
from benchmarks.serving.machine import ROOT

__all__ = ["LoopLog", "ProcessTree", "Server", "free_port", "health", "python_path", "running"]

_START_S = 60.0
_STOP_S = 30.0
_STUB_SITE = ROOT / "benchmarks" / "stub_engine" / "site"


@dataclass(frozen=True, slots=True)
class LoopLog:
    """What the stub engine writes down about the server's event loop."""

    path: Path

    def between(self, began_s: float, ended_s: float) -> list[dict[str, float]]:
        """The lines of a stretch of the monotonic clock, the one before it included."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text().splitlines() if line.endswith("}")]
        before = [line for line in lines if line["at_s"] <= began_s]
        return before[-1:] + [line for line in lines if began_s < line["at_s"] <= ended_s]


class ProcessTree:
    """A process and all that it has started."""

    def __init__(self, pid: int) -> None:
        self._main = psutil.Process(pid)

    def cpu_s(self) -> float:
        """Processor time so far, of those that still run and of those that have been waited for."""
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory_bytes(self) -> int:
        """Resident memory now. Pages that several processes share count for each."""
        total = 0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self._main, *self._main.children(recursive=True)]
        except psutil.Error:
            return []


@dataclass(frozen=True, slots=True)
class Server:
    """A server under measurement.

    Attributes:
        tree: None where its process is not known.
        loop_log: None for other servers than ours.
    """

    name: str
    address: Address
    tree: ProcessTree | None
    loop_log: LoopLog | None = None

    @classmethod
    def at(cls, url: str, name: str) -> Server:
        """Another server, which runs already; its process is found by its port where the system says."""
        address = Address.of(url)
        return cls(name, address, _listening_at(address.port))


@contextmanager
def running(settings: Mapping[str, str], folder: Path) -> Generator[Server, None, None]:
    """Start `chatterbox-api serve` with the stub engine, until it is ready; end it, and nothing else, in the end.

    Args:
        folder: where it keeps voices, its log and that of the event loop.

    Raises:
        RuntimeError: it does not start; the message has the end of its log.
    """
    port, log = free_port(), folder / "server.log"
    loop_log = LoopLog(folder / f"loop-{port}.jsonl")
    environment = os.environ | {
        "PYTHONPATH": python_path(),
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "DRAIN_NOTICE_S": "0",
        "DRAIN_S": "1",
        "LOG_LEVEL": "warning",
        "STUB_LOOP_FILE": str(loop_log.path),
        **settings,
    }
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "chatterbox_api", "serve"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=sink, stderr=sink)
    try:
        _wait_until_ready(process, port, log)
        yield Server("ours", Address("127.0.0.1", port), ProcessTree(process.pid), loop_log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def python_path() -> str:
    """Where the stub engine and its entry point are found; what was there before comes first."""
    return os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH", ""), str(_STUB_SITE), str(ROOT)]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def health(server: Server) -> dict[str, Any]:
    """GET /health of one of our servers."""
    address = server.address
    with urllib.request.urlopen(f"http://{address.host}:{address.port}/health", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")


def _listening_at(port: int) -> ProcessTree | None:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            here: Any = connection.laddr  # empty where a connection has no address
            if connection.status == psutil.CONN_LISTEN and here and here.port == port and connection.pid:
                return ProcessTree(connection.pid)
    return None
