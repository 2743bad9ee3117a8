"""The process that measures clips: `python -m chatterbox_api_synth_espeak.pitch_worker CONFIG`, a worker.

There is one for all that speak, since Praat takes 65 MB of memory in each process that loads it.

Its job, beside a header's "do":

    measure     {"sample_rate_hz"} + float32 samples of a clip, to {"hz"}: their median pitch, None where nothing is voiced
"""

from __future__ import annotations

import numpy as np
import parselmouth

from chatterbox_api_core.errors import SynthesisFailed
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.serving import Job, JobContext, Progress, serve

__all__ = ["failure", "load", "median_pitch_hz"]


def median_pitch_hz(samples: bytes, sample_rate_hz: int) -> float | None:
    """Of the voiced parts of a clip, by Praat; None where nothing is voiced."""
    sound = parselmouth.Sound(np.frombuffer(samples, np.float32).astype(np.float64), sample_rate_hz)
    track = sound.to_pitch(pitch_floor=50, pitch_ceiling=600).selected_array["frequency"]
    voiced = track[track > 0]
    return float(np.median(voiced)) if len(voiced) else None


def load(config: Header, report: Progress) -> dict[str, Job]:
    """The one job."""

    def measure(header: Header, samples: bytes, context: JobContext) -> tuple[Header, Payload]:
        return {"hz": median_pitch_hz(samples, header["sample_rate_hz"])}, b""

    return {"measure": measure}


def failure(error: Exception) -> tuple[SynthesisFailed, bool]:
    """What to answer for an exception of a job; the process goes on."""
    return SynthesisFailed(f"The clip's pitch cannot be measured: {type(error).__name__}: {error}."), True


if __name__ == "__main__":
    serve(load, on_failure=failure)
