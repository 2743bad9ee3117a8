"""What stands before the sound: tags, and the promise of how long it is.

FFmpeg ends silently where a file was cut off, so the header has to be asked.
"""

from __future__ import annotations

import struct
from typing import Final

from av.audio.stream import AudioStream

__all__ = ["bare_wav", "promised_s", "without_id3"]

_UNKNOWN_FROM: Final = 0x7FFF_0000
"""Sizes that programs write before they know better: 0x7FFFFFFF, 0xFFFFFFFF, and a header less than these."""


def promised_s(data: bytes, media_type: str, stream: AudioStream) -> float:
    """Seconds of sound that the header promises; 0 where it does not, or where its word is known to be loose."""
    if media_type == "audio/wav":
        return _of_wav(data)
    if media_type == "audio/flac":
        return _of_flac(data)
    if media_type == "audio/mp4" and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return 0.0


def without_id3(data: bytes) -> bytes:
    """The file behind its ID3v2 tags: FFmpeg knows them before some formats only, and a picture may be among them."""
    at = 0
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = 0
        for value in data[at + 6 : at + 10]:  # four bytes of seven bits each
            size = size << 7 | value & 0x7F
        at += size + (20 if data[at + 5] & 0x10 else 10)  # one flag says that a footer follows
    return data[at:] if 0 < at < len(data) else data


def bare_wav(data: bytes) -> bytes:
    """A WAV file without what is not sound; any other as it is. Without a chunk of sound, nothing.

    FFmpeg reserves as much memory for a text as the file says that it is long: gigabytes, if someone lies.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return data
    kept = [data[:12]]
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind == b"data":
            return b"".join((*kept, data[at : at + 8 + size] if size else data[at:]))
        if kind in (b"fmt ", b"fact"):
            kept.append(data[at : at + 8 + size + size % 2])
        at += 8 + size + size % 2
    return b""


def _of_wav(data: bytes) -> float:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return 0.0
    bytes_per_s = 0
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind == b"fmt " and at + 20 <= len(data):
            (bytes_per_s,) = struct.unpack_from("<I", data, at + 16)
        if kind == b"data":
            return size / bytes_per_s if bytes_per_s and size < _UNKNOWN_FROM else 0.0
        at += 8 + size + size % 2
    return 0.0


def _of_flac(data: bytes) -> float:
    if data[:4] != b"fLaC" or len(data) < 26 or data[4] & 0x7F != 0:
        return 0.0
    rate_hz, total = int.from_bytes(data[18:21]) >> 4, int.from_bytes(data[21:26]) & 0xF_FFFF_FFFF
    return total / rate_hz if rate_hz else 0.0
