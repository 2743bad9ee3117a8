"""The exceptions of a model and of its device as errors of core."""

from __future__ import annotations

import gc
import sys
import traceback
from typing import Final

from chatterbox_api_core.errors import SynthesisFailed

__all__ = ["error_from_exception", "is_out_of_memory"]

_LOST_DEVICE: Final = ("CUDA error", "HIP error", "device-side assert", "CUBLAS", "CUDNN_STATUS", "MPS backend")
"""Texts of errors after which this process can compute nothing more on its device."""
_OUT_OF_MEMORY: Final = ("out of memory", "allocate memory")


def error_from_exception(error: Exception) -> tuple[SynthesisFailed, bool]:
    """The error that answers an exception of a job, and whether this process can do another job."""
    if is_out_of_memory(error):
        traceback.clear_frames(error.__traceback__)  # the frames hold the tensors of the job
        _free_memory()
        full = SynthesisFailed(
            "The model ran out of memory.",
            code="out_of_memory",
            remedy="Try a shorter text, or stop other programs that use the memory.",
        )
        return full, True
    lost = any(text in str(error) for text in _LOST_DEVICE)
    return SynthesisFailed(f"The model failed with {type(error).__name__}."), not lost


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception says that the memory of the machine or of the device does not suffice."""
    named = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    return named or any(text in str(error) for text in _OUT_OF_MEMORY)


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
