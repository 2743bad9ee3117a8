"""Samples that a codec can take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chatterbox_api_core.types import Pcm

__all__ = ["finite"]


def finite(pcm: Pcm) -> npt.NDArray[np.float32]:
    """The samples as 32-bit floats from -1 to 1. Values that are not numbers become 0."""
    samples = np.nan_to_num(np.asarray(pcm.samples, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1.0, 1.0)
