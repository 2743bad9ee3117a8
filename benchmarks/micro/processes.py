"""What starts a process: imports, beside an interpreter that imports nothing, and the service until it is ready."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.micro.timing import Part, Scale
from benchmarks.serving.server import running

__all__ = ["processes"]

_MODULES: Final = (
    "chatterbox_api_core",
    "chatterbox_api_core.speech.service",
    "chatterbox_api_http_litestar",
    "chatterbox_api_encoders.encoder",
    "chatterbox_api_storage_local.store",
    "chatterbox_api.cli",
)


@asynccontextmanager
async def processes(scale: Scale, folder: Path) -> AsyncGenerator[Sequence[Part], None]:
    yield [
        Part("baseline: Python without imports", partial(_run, "pass")),
        *(Part(f"import {module}", partial(_run, f"import {module}")) for module in _MODULES),
        Part("start of the service, until it is ready", partial(_start, folder)),
    ]


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def _start(folder: Path) -> None:
    """With its end, which is quick: nothing is under way."""
    with TemporaryDirectory(dir=folder) as own, running({"SYNTHESIZER": "stub"}, Path(own)):
        pass
