"""The process that owns the model: `python -m chatterbox_api_synth_chatterbox.child CONFIG`, a worker.

A process of its own, because a model can hang, fill memory or poison its device, and only a process can be ended
then; because what it held is free once it is gone; and because it computes without holding up the service.
"""

from __future__ import annotations

import gc
import sys
import traceback
from typing import Final

from chatterbox_api_core.errors import SynthesisFailed
from chatterbox_api_worker.frames import Header
from chatterbox_api_worker.serving import Job, Progress, serve

__all__ = ["failure", "load"]

_LOST_DEVICE: Final = ("CUDA error", "HIP error", "device-side assert", "CUBLAS", "CUDNN_STATUS", "MPS backend")
"""What an error says when nothing more can be computed on its device by this process."""
_FULL: Final = ("out of memory", "allocate memory")


def load(config: Header, report: Progress) -> dict[str, Job]:
    """The jobs of the role that the configuration names."""
    if config["role"] == "watermark":
        from chatterbox_api_synth_chatterbox.watermark_jobs import load as load_jobs
    else:
        from chatterbox_api_synth_chatterbox.speech_jobs import load as load_jobs
    return load_jobs(config, report)


def failure(error: Exception) -> tuple[SynthesisFailed, bool]:
    """What to answer for an exception of a model, and whether this process can do another job."""
    if _is_full(error):
        traceback.clear_frames(error.__traceback__)  # they hold what it was working with
        _free_memory()
        full = SynthesisFailed(
            "The model ran out of memory.", code="out_of_memory", remedy="Try a shorter text, or end what else uses it."
        )
        return full, True
    lost = any(sign in str(error) for sign in _LOST_DEVICE)
    return SynthesisFailed(f"The model failed: {type(error).__name__}."), not lost


def _is_full(error: Exception) -> bool:
    named = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    return named or any(sign in str(error) for sign in _FULL)


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()


if __name__ == "__main__":
    serve(load, on_failure=failure)
