"""Commands of `chatterbox-api`, each forked from a process that has imported it: most of a command is imports.

Each has an environment, a folder, streams and an end of its own, as if a shell had started it. What an interpreter
reads of the environment before its first line is the one exception: see `READ_AT_THE_START`.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["READ_AT_THE_START", "run_warm"]

READ_AT_THE_START: Final = frozenset({"PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONUTF8", "PYTHONMALLOC"})
"""Settings of the interpreter that a fork cannot take on."""
_MOST_BYTES: Final = 2**20
_PRELOADED: Final = (
    *(
        "chatterbox_api.cli",
        "chatterbox_api.compose",
        "chatterbox_api_storage_local.store",
        "chatterbox_api_worker.pool",
    ),
    *("chatterbox_api_core.reference", "concurrent.futures.thread", "rich.progress", "sqlite3", "numpy", "av"),
)


def run_warm(
    arguments: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """One command, to its end. Raises TimeoutError where it does not end in time; it is killed then."""
    asked = json.dumps([arguments, str(cwd), dict(env)]).encode()
    with (
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        Path(os.devnull).open("rb") as stdin,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as command,
    ):
        command.connect(_server())
        command.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
        socket.send_fds(command, [asked], [stdin.fileno(), stdout.fileno(), stderr.fileno()])
        pid = int(command.recv(64))
        command.settimeout(timeout_s)
        try:
            code = int(command.recv(64))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise
        said = []
        for stream in (stdout, stderr):
            stream.seek(0)
            said.append(stream.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess(arguments, code, *said)


@cache
def _server() -> bytes:
    """The address of this process's own server, which ends with this process."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(b"\0" + os.urandom(16).hex().encode())
    listener.listen(64)
    address: bytes = listener.getsockname()
    theirs, ours = os.pipe()
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, str(listener.fileno()), str(theirs)],
        pass_fds=(listener.fileno(), theirs),
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    listener.close()
    os.close(theirs)

    def end() -> None:
        os.close(ours)  # which is closed too where this process is killed
        server.wait()

    atexit.register(end)
    return address


def _serve(listener: socket.socket) -> None:
    """Answer each command from a process that waits for it; return in the process that is to be the command."""
    while True:
        command, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asked, descriptors, _, _ = socket.recv_fds(command, _MOST_BYTES, 3)
            pid = os.fork()
            if pid == 0:
                command.close()
                arguments, cwd, env = json.loads(asked)
                _become(arguments, cwd, env, descriptors)
                return
            for descriptor in descriptors:
                os.close(descriptor)
            command.send(str(pid).encode())
            _, status = os.waitpid(pid, 0)
            command.send(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        command.close()


def _become(arguments: list[str], cwd: str, env: dict[str, str], descriptors: list[int]) -> None:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["chatterbox-api", *arguments]
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]


def _end_with(parent: int) -> None:
    """Have this process end when the other end of the pipe closes."""
    if os.fork() == 0:
        os.read(parent, 1)
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    os.close(parent)


if __name__ == "__main__":
    listener = socket.socket(fileno=int(sys.argv[1]))
    _end_with(int(sys.argv[2]))
    for name in _PRELOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _serve(listener)
    runpy.run_module("chatterbox_api", run_name="__main__", alter_sys=False)
