"""S3 servers for the tests: moto, and Cloudflare's own local R2 where `scripts/local_r2.py` has started one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from support.service import free_port

__all__ = ["S3Server", "local_r2", "moto"]

_START_S = 60.0


@dataclass(frozen=True)
class S3Server:
    """A server with a bucket in it."""

    name: str
    url: str
    bucket: str
    access_key_id: str
    secret_access_key: str


def local_r2() -> S3Server | None:
    """The local R2 that the environment names, None where there is none."""
    if not (url := os.environ.get("R2_TEST_ENDPOINT")):
        return None
    bucket, key, secret = (os.environ[f"R2_TEST_{name}"] for name in ("BUCKET", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    return S3Server("r2", url, bucket, key, secret)


@contextmanager
def moto(bucket: str = "voices", *, closed: bool = False) -> Generator[S3Server, None, None]:
    """A moto server in a process of its own, for the length of the block.

    Args:
        closed: it knows no key, and refuses every one.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={**os.environ, **({"INITIAL_NO_AUTH_ACTION_COUNT": "1"} if closed else {})},
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + _START_S
            while not _made(f"{url}/{bucket}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(f"moto did not start:\n{log.read().decode()}")
                time.sleep(0.05)
            yield S3Server("moto", url, bucket, "moto-key-id", "moto-secret-access-key")
        finally:
            process.kill()
            process.wait()


def _made(bucket_url: str) -> bool:
    try:
        return httpx.put(bucket_url, timeout=10, trust_env=False).is_success
    except httpx.TransportError:
        return False
