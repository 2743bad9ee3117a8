"""Bounds of requests and responses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chatterbox_api_core.types import ClipLimits

__all__ = ["HttpLimits"]

_CLIP_BYTES: Final = ClipLimits().max_bytes


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much and how slowly clients may send and receive.

    Attributes:
        body_bytes: of a JSON request or an urlencoded form.
        upload_bytes: of a form with its files and framing.
        file_bytes: of one file of a form; what a clip may have.
        parts: of a form.
        receive_s: the longest a request's body may take to arrive.
        bodies_memory_bytes: of the bodies of all requests, in memory; what is beyond goes to temporary files. Not
            counted are the first 16 KiB of each body, 8 KiB that its file buffers, and the packet that its connection
            has just received.
        bodies_file_bytes: of the bodies of all requests, in temporary files; what is beyond is refused.
        bodies_dir: the folder of these files; None for the system's own.
        bodies_loaded_bytes: of the uploads that requests use at the same time; the others wait.
        load_wait_s: the longest an upload may wait for that.
        send_stall_s: the longest a client may leave its response unread.
        send_factor: the longest a client may take for a whole response of speech, as a multiple of the duration of
            the speech, beside `send_stall_s`. A player reads at the pace of speech; a client that reads a byte now and
            then would never end.
    """

    body_bytes: int = 2**20
    upload_bytes: int = _CLIP_BYTES + 2**20
    file_bytes: int = _CLIP_BYTES
    parts: int = 100
    receive_s: float = 60.0
    bodies_memory_bytes: int = 32 * 2**20
    bodies_file_bytes: int = 1024 * 2**20
    bodies_dir: Path | None = None
    bodies_loaded_bytes: int = 64 * 2**20
    load_wait_s: float = 30.0
    send_stall_s: float = 60.0
    send_factor: float = 2.0
