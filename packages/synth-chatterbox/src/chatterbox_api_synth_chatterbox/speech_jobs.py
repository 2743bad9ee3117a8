"""What the model's process does for the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from chatterbox_api_synth_chatterbox.child import Job
from chatterbox_api_synth_chatterbox.engine import Request
from chatterbox_api_synth_chatterbox.loading import load_engine
from chatterbox_api_synth_chatterbox.models import MODELS
from chatterbox_api_synth_chatterbox.wire import Head

__all__ = ["load"]


def load(config: dict[str, Any], report: Callable[[str], None]) -> dict[str, Job]:
    engine = load_engine(MODELS[config["model"]], folder=config["folder"], device=config["device"], report=report)

    def prepare(head: Head, clip: bytes, checkpoint: Callable[[], None]) -> tuple[Head, bytes]:
        return {}, engine.prepare(torch.frombuffer(bytearray(clip), dtype=torch.float32), head["rate_hz"])

    def speak(head: Head, voice: bytes, checkpoint: Callable[[], None]) -> tuple[Head, memoryview]:
        request = Request(head["text"], head["seed"], head["language"], head["params"])
        speech = engine.speak(request, voice or None, checkpoint)
        return {"tokens": len(speech.tokens)}, memoryview(speech.samples.contiguous().numpy()).cast("B")

    return {"prepare": prepare, "speak": speak}
