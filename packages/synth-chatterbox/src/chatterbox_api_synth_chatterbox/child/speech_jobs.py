"""The jobs of the model process for the engine: "prepare" and "speak"."""

from __future__ import annotations

from typing import Any

import torch

from chatterbox_api_synth_chatterbox.child.engine import Request
from chatterbox_api_synth_chatterbox.child.loading import load_engine
from chatterbox_api_synth_chatterbox.models import MODELS
from chatterbox_api_worker.frames import Header
from chatterbox_api_worker.serving import Job, JobContext, Progress

__all__ = ["load"]


def load(config: dict[str, Any], report: Progress) -> dict[str, Job]:
    """Load the model and return its jobs."""
    engine = load_engine(MODELS[config["model"]], folder=config["folder"], device=config["device"], report=report)

    def prepare(header: Header, clip: bytes, context: JobContext) -> tuple[Header, bytes]:
        return {}, engine.prepare(torch.frombuffer(bytearray(clip), dtype=torch.float32), header["sample_rate_hz"])

    def speak(header: Header, voice: bytes, context: JobContext) -> tuple[Header, memoryview]:
        request = Request(header["text"], header["seed"], header["language"], header["params"])
        speech = engine.speak(request, voice or None, context.checkpoint)
        return {"tokens": len(speech.tokens)}, memoryview(speech.samples.contiguous().numpy()).cast("B")

    return {"prepare": prepare, "speak": speak}
