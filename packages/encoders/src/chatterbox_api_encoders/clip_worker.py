"""The worker that decodes clips: `python -m chatterbox_api_encoders.clip_worker CONFIG`.

Its job, by the header's "do":

    decode      {"limits"} + the bytes of a clip -> {"sample_rate_hz", "report"} + float32 samples
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.errors import error_from_exception
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.serving import Job, JobContext, Progress, serve

__all__ = ["load"]


def load(config: Header, report: Progress) -> dict[str, Job]:
    """The job of this worker. `config` has "memory_bytes"."""
    reader = InProcessClipReader()

    def decode(header: Header, data: bytes, context: JobContext) -> tuple[Header, Payload]:
        clip = reader.decode(data, limits=ClipLimits(**header["limits"]))
        return {"sample_rate_hz": clip.pcm.sample_rate_hz, "report": asdict(clip.report)}, clip.pcm.samples.cast("B")

    return {"decode": decode}


if __name__ == "__main__":
    serve(load, on_failure=error_from_exception, memory_bytes=json.loads(sys.argv[1])["memory_bytes"])
