"""What the watermark's process does: look for Perth's mark. No speech model is loaded for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_synth_chatterbox.child import Job
from chatterbox_api_synth_chatterbox.wire import Head

__all__ = ["load"]


def load(config: dict[str, Any], report: Callable[[str], None]) -> dict[str, Job]:
    report("loading the watermark's model")
    perth = importlib.import_module("perth")
    if perth.PerthImplicitWatermarker is None:
        raise ConfigurationError(
            "The watermark cannot be read: resemble-perth finds no pkg_resources.",
            code="watermark_missing",
            remedy='Install it: pip install "setuptools<81".',
        )
    watermarker = perth.PerthImplicitWatermarker()

    def detect(head: Head, clip: bytes, checkpoint: Callable[[], None]) -> tuple[Head, bytes]:
        samples = torch.frombuffer(bytearray(clip), dtype=torch.float32).numpy()
        with torch.inference_mode():
            bits = watermarker.get_watermark(samples, sample_rate=head["rate_hz"], round=False)
        return {"confidence": float(bits.mean())}, b""

    return {"detect": detect}
