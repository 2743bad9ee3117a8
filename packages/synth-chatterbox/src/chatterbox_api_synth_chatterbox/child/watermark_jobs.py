"""The job of the watermark process: "detect". It loads no speech model."""

from __future__ import annotations

import importlib
import math
from typing import Any, Final

import torch

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_worker.frames import Header
from chatterbox_api_worker.serving import Job, JobContext, Progress

__all__ = ["load"]

_WINDOW: Final = 2048
"""Samples that Perth needs at its own rate; of fewer it makes no spectrum."""


def load(config: dict[str, Any], report: Progress) -> dict[str, Job]:
    """Load Perth and return its job."""
    report("loading the watermark's model")
    watermarker = _perth().PerthImplicitWatermarker()
    shortest_s = _WINDOW / watermarker.perth_net.hp.sample_rate

    def detect(header: Header, clip: bytes, context: JobContext) -> tuple[Header, bytes]:
        samples = torch.frombuffer(bytearray(clip), dtype=torch.float32).numpy()
        if len(samples) < shortest_s * header["sample_rate_hz"]:
            return {"confidence": 0.0}, b""
        with torch.inference_mode():
            found = float(watermarker.get_watermark(samples, sample_rate=header["sample_rate_hz"], round=False).mean())
        return {"confidence": found if math.isfinite(found) else 0.0}, b""  # silence is no number

    return {"detect": detect}


def _perth() -> Any:
    """Perth, with the watermark there; it hides what it could not import behind a None."""
    try:
        perth = importlib.import_module("perth")
        if perth.PerthImplicitWatermarker is None:
            importlib.import_module("perth.perth_net.perth_net_implicit.perth_watermarker")
            raise ImportError("resemble-perth has no watermark in it")
    except ImportError as error:
        lacks_setuptools = error.name == "pkg_resources"
        raise ConfigurationError(
            f"The watermark detector cannot be imported: {error}.",
            code="watermark_missing",
            remedy='Install it: pip install "setuptools<81".'
            if lacks_setuptools
            else "Run `hatch run chatterbox:serve`, or `docker/install.sh FOLDER model`.",
        ) from error
    return perth
