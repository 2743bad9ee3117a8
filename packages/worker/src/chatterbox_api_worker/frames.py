"""Frames between a parent and its worker: a header in JSON, and a payload of bytes behind it.

To the worker:    {"id", "do": JOB, ...} + payload      do a job, after those that were sent before
                  {"id", "do": "cancel"}                stop a job at its next step
                  {"do": "ping"}
From the worker:  {"event": "loading", "text"}          while it gets ready
                  {"event": "ready"}                    once
                  {"event": "pong"}
                  {"id", "event": "working"}            as a job begins, and often while it goes on
                  {"id", "event": "piece", ...} + payload
                  {"id", "event": "done", ...} + payload
                  {"id", "event": "cancelled"}
                  {"id", "event": "failed", "kind", "code", "message", "field", "remedy", "retry_after_s"}
                  {"event": "failed", ...}              it could not get ready, and exits

A worker lives as long as its standard input is open, and exits when that closes, whatever it is doing.
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
Payload: TypeAlias = bytes | bytearray | memoryview
LENGTHS: Final = struct.Struct("<II")
"""What a frame begins with: the lengths of its header and its payload in bytes."""
_MAX_HEADER_BYTES: Final = 2**20
_MAX_PAYLOAD_BYTES: Final = 512 * 2**20
_LONGEST_S: Final = 24 * 3600.0
_KINDS: Final = {
    cls.__name__: cls for cls in (ConfigurationError, InvalidAudio, InvalidInput, SynthesisFailed, Unavailable)
}
"""The errors that a job may raise."""


def frame_start(header: Header, payload: Payload = b"") -> bytes:
    """A frame without its payload, which follows as it is, so that it need not be copied.

    Raises:
        ValueError: header or payload is too long for a frame.
    """
    text, payload_bytes = json.dumps(header).encode(), memoryview(payload).nbytes
    if len(text) > _MAX_HEADER_BYTES or payload_bytes > _MAX_PAYLOAD_BYTES:
        raise ValueError("too much for a frame")
    return LENGTHS.pack(len(text), payload_bytes) + text


def parse_lengths(data: bytes) -> tuple[int, int]:
    """The lengths of a frame's header and payload, in bytes.

    Raises:
        ValueError: this is not the beginning of a frame.
    """
    header_bytes, payload_bytes = LENGTHS.unpack(data)
    if header_bytes > _MAX_HEADER_BYTES or payload_bytes > _MAX_PAYLOAD_BYTES:
        raise ValueError("not a frame")
    return header_bytes, payload_bytes


def error_to_frame(error: ChatterboxError) -> Header:
    """The header that carries an error. One that no job should raise becomes SynthesisFailed."""
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
    """The error that a header carries, whatever is in it."""
    cls = _KINDS.get(str(header.get("kind")), SynthesisFailed)
    error = cls(
        _text(header, "message") or "The worker failed and gave no reason.",
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
