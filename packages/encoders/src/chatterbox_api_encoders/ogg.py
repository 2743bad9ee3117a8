"""Ogg files: whether the last page is present and complete. The layout is that of RFC 3533."""

from __future__ import annotations

from typing import Final

from chatterbox_api_encoders.endings import FileEnd

__all__ = ["ogg_end"]

_HEAD_BYTES: Final = 27
_LAST: Final = 4
"""The flag of the last page of a stream."""


def ogg_end(data: bytes) -> FileEnd:
    """Whether the last page is complete and marked as the last. Nothing tells how much is missing if it is not."""
    at = data.rfind(b"OggS\0")
    if at < 0 or at + _HEAD_BYTES > len(data):
        return FileEnd(cut_off=True)
    body = at + _HEAD_BYTES + data[at + 26]
    end = body + sum(data[at + _HEAD_BYTES : body])
    return FileEnd(cut_off=end > len(data) or not data[at + 5] & _LAST)
