"""Frames between the service and the model's process: a head in JSON, and bytes behind it.

To the child:    {"id", "do": "prepare", "rate_hz"} + samples     -> "done" + the voice, analysed
                 {"id", "do": "speak", ...Request} + the voice    -> "done" + samples
                 {"id", "do": "detect", "rate_hz"} + samples      -> "done", "confidence"
                 {"id", "do": "cancel"}
From the child:  {"event": "loading", "text"}                     while it gets ready
                 {"event": "ready"}                               once
                 {"id", "event": "working"}                       as work begins, and often while it goes on
                 {"id", "event": "done", ...} + bytes
                 {"id", "event": "cancelled"}                     whoever asked has gone
                 {"id", "event": "failed", "kind", "code", "message", "field", "remedy", "retry_after_s"}
                 {"event": "failed", ...}                         it could not get ready, and ends

Samples are 32-bit floats, mono. Without an end of its input the child lives; with it, it dies at once.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final, TypeAlias

from chatterbox_api_core.errors import (
    ChatterboxError,
    ConfigurationError,
    InvalidAudio,
    InvalidInput,
    SynthesisFailed,
    Unavailable,
)

__all__ = ["LENGTHS", "Head", "as_error", "as_failure", "frame", "lengths"]

Head: TypeAlias = dict[str, Any]
LENGTHS: Final = struct.Struct("<II")
_MAX_HEAD_BYTES: Final = 2**20
_MAX_BYTES: Final = 512 * 2**20
_KINDS: Final = {
    cls.__name__: cls for cls in (ConfigurationError, InvalidAudio, InvalidInput, SynthesisFailed, Unavailable)
}


def frame(head: Head, payload: bytes | memoryview = b"") -> bytes:
    """Raises ValueError for what `lengths` would refuse."""
    text, size = json.dumps(head).encode(), memoryview(payload).nbytes
    if len(text) > _MAX_HEAD_BYTES or size > _MAX_BYTES:
        raise ValueError("too much for a frame")
    return b"".join((LENGTHS.pack(len(text), size), text, payload))


def lengths(data: bytes) -> tuple[int, int]:
    """How long a frame's head and bytes are. Raises ValueError where this is no frame."""
    head, payload = LENGTHS.unpack(data)
    if head > _MAX_HEAD_BYTES or payload > _MAX_BYTES:
        raise ValueError("not a frame")
    return head, payload


def as_failure(error: ChatterboxError) -> Head:
    """An error, as a frame carries it."""
    kind = next((name for name, cls in _KINDS.items() if type(error) is cls), SynthesisFailed.__name__)
    return {
        "event": "failed",
        "kind": kind,
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "remedy": error.remedy,
        "retry_after_s": getattr(error, "retry_after_s", None),
    }


def as_error(head: Head) -> ChatterboxError:
    """The error that a frame carries."""
    cls = _KINDS.get(str(head.get("kind")), SynthesisFailed)
    error = cls(
        str(head.get("message", "The model failed and gave no reason.")),
        code=head.get("code"),
        field=head.get("field"),
        remedy=head.get("remedy"),
    )
    if isinstance(error, Unavailable):
        error.retry_after_s = float(head.get("retry_after_s") or error.retry_after_s)
    return error
