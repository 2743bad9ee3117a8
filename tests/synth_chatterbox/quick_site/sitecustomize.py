"""On PYTHONPATH, gives the model's process jobs that need no model: the process itself is the real one.

What it is told as the model's folder is a folder of the test: what stands in its file `loading` happens while loading,
and each job that begins adds a line to its file `jobs`.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

STEP_S = 0.001


def load(config: dict[str, Any], report: Callable[[str], None]) -> dict[str, Any]:
    from chatterbox_api_core.errors import ConfigurationError

    faults = importlib.import_module("faults")
    folder = Path(config["folder"])
    _record(folder, "load")
    report("a quarter is done")
    word, _, rest = (folder / "loading").read_text().partition(" ") if (folder / "loading").exists() else ("", "", "")
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "crash":
        raise ImportError("a library is missing")
    if word == "fail":
        raise ConfigurationError("Weights are missing.", code="weights_missing", remedy="Put them there.")
    if word == "sleep":
        time.sleep(float(rest))

    def prepare(header: dict[str, Any], clip: bytes, context: Any) -> tuple[dict[str, Any], bytes]:
        """A clip whose first sample is above 1 fails by its value."""
        _record(folder, "prepare")
        (first,) = struct.unpack_from("f", clip)
        if first > 1:
            planted = {2.0: "audio", 3.0: "raise", 4.0: "kill", 5.0: "hang"}[first]
            faults.planted(f"[[{planted}@1]]", context.checkpoint)()
        time.sleep(0.05)
        return {}, hashlib.sha256(clip).digest()

    def speak(header: dict[str, Any], voice: bytes, context: Any) -> tuple[dict[str, Any], bytes]:
        """As many steps as the text has characters; four samples that nothing else would have."""
        _record(folder, header["text"])
        step = faults.planted(header["text"], context.checkpoint)
        for _ in header["text"]:
            time.sleep(STEP_S)
            step()
        if header["text"] == "How many are cancelled?":
            return {}, struct.pack("f", _worker().cancellation_count)
        told = f"{header['text']} {header['seed']} {header['language']} {header['params']}".encode() + voice
        return {}, struct.pack("4f", *(byte / 256 for byte in hashlib.sha256(told).digest()[:4]))

    return {"prepare": prepare, "speak": speak}


def _worker() -> Any:
    """The one that `serve` has made in this process."""
    from chatterbox_api_worker.serving import Worker

    return next(each for each in gc.get_objects() if isinstance(each, Worker))


def _record(folder: Path, what: str) -> None:
    with (folder / "jobs").open("a") as file:
        file.write(f"{what}\n")


_NAME = "chatterbox_api_synth_chatterbox.child.speech_jobs"
sys.modules[_NAME] = ModuleType(_NAME)
sys.modules[_NAME].load = load  # type: ignore[attr-defined]
