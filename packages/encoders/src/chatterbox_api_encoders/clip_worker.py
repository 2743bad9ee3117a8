"""The process that decodes clips: `python -m chatterbox_api_encoders.clip_worker CONFIG`, a worker."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.refusals import unreadable
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.serving import Job, JobContext, Progress, serve

__all__ = ["failure", "load"]


def load(config: Header, report: Progress) -> dict[str, Job]:
    """The one job: from a clip and its limits to samples, the rate and the report."""
    reader = InProcessClipReader()

    def decode(header: Header, data: bytes, context: JobContext) -> tuple[Header, Payload]:
        clip = reader.decode(data, limits=ClipLimits(**header["limits"]))
        return {"sample_rate_hz": clip.pcm.sample_rate_hz, "report": asdict(clip.report)}, clip.pcm.samples.cast("B")

    return {"decode": decode}


def failure(error: Exception) -> tuple[InvalidAudio, bool]:
    """What to answer for an exception; after one for lack of memory another process gives that back."""
    if isinstance(error, MemoryError):
        return unreadable("reading it took too much memory"), False
    return unreadable("the decoder failed on it"), True


if __name__ == "__main__":
    serve(load, on_failure=failure, memory_bytes=json.loads(sys.argv[1])["memory_bytes"])
