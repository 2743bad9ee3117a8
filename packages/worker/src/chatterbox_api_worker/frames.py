"""Frames between a parent and its worker: a header in JSON, followed by a payload of bytes.

To the worker:    {"id", "do": JOB, ...} + payload      do a job, after all jobs that were sent before
                  {"id", "do": "cancel"}                stop a job at its next checkpoint
                  {"do": "ping"}
From the worker:  {"event": "loading", "text"}          while it loads
                  {"event": "ready"}                    once
                  {"event": "pong"}
                  {"id", "event": "working"}            when a job starts, and several times a second while it runs
                  {"id", "event": "piece", ...} + payload
                  {"id", "event": "done", ...} + payload
                  {"id", "event": "cancelled"}
                  {"id", "event": "failed", "kind", "code", "message", "field", "remedy", "retry_after_s"}
                  {"event": "failed", ...}              loading failed; the worker exits

A worker exits when its standard input closes, whatever it is doing.
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

__all__ = ["LENGTHS", "Header", "Payload", "error_from_frame", "error_to_frame", "frame_start", "parse_lengths"]

Header: TypeAlias = dict[str, Any]
"""A JSON object: "do" names a job, "event" an answer; the rest belongs to the job."""
Payload: TypeAlias = bytes | bytearray | memoryview
"""Bytes that only the job understands."""
LENGTHS: Final = struct.Struct("<II")
"""The first 8 bytes of a frame: the lengths of its header and of its payload, in bytes."""
_MAX_HEADER_BYTES: Final = 2**20
_MAX_PAYLOAD_BYTES: Final = 512 * 2**20
_LONGEST_S: Final = 24 * 3600.0
_KINDS: Final = {
    cls.__name__: cls for cls in (ConfigurationError, InvalidAudio, InvalidInput, SynthesisFailed, Unavailable)
}
"""The errors that a frame can carry, and so the errors that a job may raise."""


def frame_start(header: Header, payload: Payload = b"") -> bytes:
    """The bytes of a frame before its payload. The payload follows unchanged, so that it is not copied.

    Raises:
        ValueError: the header or the payload is too long for a frame.
        TypeError: JSON cannot hold the header.
    """
    text, payload_bytes = json.dumps(header).encode(), memoryview(payload).nbytes
    if len(text) > _MAX_HEADER_BYTES or payload_bytes > _MAX_PAYLOAD_BYTES:
        raise ValueError("the header or the payload is too long for a frame")
    return LENGTHS.pack(len(text), payload_bytes) + text


def parse_lengths(data: bytes) -> tuple[int, int]:
    """The lengths of a frame's header and payload, in bytes, from its first `LENGTHS.size` bytes.

    Raises:
        ValueError: the bytes do not begin a frame.
    """
    header_bytes, payload_bytes = LENGTHS.unpack(data)
    if header_bytes > _MAX_HEADER_BYTES or payload_bytes > _MAX_PAYLOAD_BYTES:
        raise ValueError("this is no frame")
    return header_bytes, payload_bytes


def error_to_frame(error: ChatterboxError) -> Header:
    """The header that carries an error. An error that no frame can carry becomes SynthesisFailed."""
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


def error_from_frame(header: Header) -> ChatterboxError:
    """The error that a header carries. Fields of a wrong type are ignored, and an unknown kind is SynthesisFailed."""
    cls = _KINDS.get(str(header.get("kind")), SynthesisFailed)
    error = cls(
        _text(header, "message") or "The worker failed without giving a reason.",
        code=_text(header, "code"),
        field=_text(header, "field"),
        remedy=_text(header, "remedy"),
    )
    retry_after_s = header.get("retry_after_s")
    if isinstance(error, Unavailable) and isinstance(retry_after_s, int | float) and 0 < retry_after_s <= _LONGEST_S:
        error.retry_after_s = float(retry_after_s)
    return error


def _text(header: Header, name: str) -> str | None:
    value = header.get(name)
    return value if isinstance(value, str) else None
