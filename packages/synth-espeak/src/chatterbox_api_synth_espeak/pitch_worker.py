"""The worker that measures clips: `python -m chatterbox_api_synth_espeak.pitch_worker CONFIG`.

One process serves all requests, since Praat takes 65 MB of memory in each process that loads it.

Its job, by the header's "do":

    measure     {"sample_rate_hz"} + float32 samples of a clip, to {"hz"}: their median pitch, None where none is voiced
"""

from __future__ import annotations

import numpy as np
import parselmouth

from chatterbox_api_synth_espeak.errors import error_from_praat
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.serving import Job, JobContext, Progress, serve

__all__ = ["load", "median_pitch_hz"]


def median_pitch_hz(samples: bytes, sample_rate_hz: int) -> float | None:
    """The median pitch of the voiced parts of a clip, measured by Praat; None where nothing is voiced.

    Args:
        samples: 32-bit floats of one channel, as bytes.
        sample_rate_hz: the sample rate.
    """
    sound = parselmouth.Sound(np.frombuffer(samples, np.float32).astype(np.float64), sample_rate_hz)
    track = sound.to_pitch(pitch_floor=50, pitch_ceiling=600).selected_array["frequency"]
    voiced = track[track > 0]
    return float(np.median(voiced)) if len(voiced) else None


def load(config: Header, report: Progress) -> dict[str, Job]:
    """The job of this worker. The configuration is empty."""

    def measure(header: Header, samples: bytes, context: JobContext) -> tuple[Header, Payload]:
        return {"hz": median_pitch_hz(samples, header["sample_rate_hz"])}, b""

    return {"measure": measure}


if __name__ == "__main__":
    serve(load, on_failure=error_from_praat)
