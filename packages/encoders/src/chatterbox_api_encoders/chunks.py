"""WAV, AIFF and FLAC files, reduced to their sound, since FFmpeg believes the declared length of everything else.

For a text, FFmpeg reserves as much memory as the file declares, which may be gigabytes. The layouts are
those of Microsoft's «Multimedia Programming Interface and Data Specifications 1.0», EBU Tech 3306 (RF64), ITU-R
BS.2088 (BW64), Apple's «Audio Interchange File Format» (AIFF, AIFF-C) and RFC 9639 (FLAC).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from chatterbox_api_encoders.endings import FileEnd

__all__ = ["bare_aiff", "bare_flac", "bare_wav"]

_UNKNOWN_FROM: Final = 0x7FFF_0000
"""Placeholders that programs write for an unknown size: 0x7FFFFFFF, 0xFFFFFFFF, and a header less than these."""
_SIZE_ELSEWHERE: Final = 0xFFFF_FFFF
_MAX_BLOCKS: Final = 10_000
_LAST_FRAMES_BYTES: Final = 64 * 1024
_MAX_FRAMES: Final = 8


def bare_wav(data: bytes) -> tuple[bytes, FileEnd]:
    """A WAV, RF64 or BW64 file as WAV with its format and its sound alone, and its end. Empty without sound."""
    kept = [b"RIFF", data[4:12]]
    long_size = 0
    for kind, size, at in _chunks(data, "<4sI"):
        if kind == b"ds64" and at + 24 <= len(data):
            (long_size,) = struct.unpack_from("<Q", data, at + 16)
        if kind == b"data":
            declared = long_size if size == _SIZE_ELSEWHERE else size
            body = data[at + 8 : at + 8 + declared] if declared else data[at + 8 :]
            head = data[at : at + 8] if data[:4] == b"RIFF" else struct.pack("<4sI", b"data", len(body))
            end = FileEnd(share=len(body) / declared) if 0 < declared < _UNKNOWN_FROM else FileEnd()
            return b"".join((*kept, head, body)), end
        if kind in (b"fmt ", b"fact"):
            kept.append(data[at : at + 8 + size + size % 2])
    return b"", FileEnd()


def bare_aiff(data: bytes) -> tuple[bytes, FileEnd]:
    """An AIFF or AIFF-C file with its format and its sound alone, and its end. Empty without sound."""
    kept: list[bytes] = []
    declared_s = 0.0
    sound, end = b"", FileEnd()
    for kind, size, at in _chunks(data, ">4sI"):
        if kind in (b"COMM", b"FVER"):
            kept.append(data[at : at + 8 + size + size % 2])
        if kind == b"COMM":
            declared_s = _duration_of_common(data[at + 8 : at + 8 + size])
        if kind == b"SSND" and not sound:
            known = 8 < size < _UNKNOWN_FROM
            body = data[at + 8 : at + 8 + size] if known else data[at + 8 :]
            sound = struct.pack(">4sI", kind, len(body)) + body + bytes(len(body) % 2)
            end = FileEnd(share=max(0, len(body) - 8) / (size - 8)) if known else FileEnd(declared_s=declared_s)
            if not known:
                break
    if not sound:
        return b"", end
    chunks = b"".join((*kept, sound))
    return b"FORM" + struct.pack(">I", 4 + len(chunks)) + data[8:12] + chunks, end


def bare_flac(data: bytes) -> tuple[bytes, FileEnd]:
    """A FLAC file with its stream information and its sound alone, and its end. Empty without these."""
    info = b""
    at, last = 4, False
    for _ in range(_MAX_BLOCKS):
        if last or at + 4 > len(data):
            break
        kind, size = data[at] & 0x7F, int.from_bytes(data[at + 1 : at + 4])
        if kind == 0 and not info:
            info = b"fLaC\x80" + data[at + 1 : at + 4 + size]
        last = bool(data[at] & 0x80)
        at += 4 + size
    if not last or len(info) < 26:
        return b"", FileEnd()
    declared_s = _duration_of_stream_info(info)
    return info + data[at:], FileEnd(declared_s=declared_s, cut_off=not declared_s and _ends_in_a_frame(data))


def _chunks(data: bytes, header: str) -> Iterator[tuple[bytes, int, int]]:
    """The kind, the declared size and the position of each chunk of a RIFF or IFF file.

    Args:
        header: the layout of a chunk's header, which tells the byte order.
    """
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(header, data, at)
        yield kind, size, at
        at += 8 + size + size % 2  # chunks begin at even positions


def _duration_of_common(body: bytes) -> float:
    """The duration that the chunk «COMM» declares, in seconds; 0 where it is implausible. The rate has 80 bits."""
    if len(body) < 18:
        return 0.0
    frames, exponent, mantissa = struct.unpack_from(">xxIxxHQ", body)
    sample_rate_hz = mantissa * 2.0 ** (exponent - 16383 - 63) if 16383 <= exponent < 16383 + 32 else 0.0
    return frames / sample_rate_hz if sample_rate_hz and frames < _UNKNOWN_FROM else 0.0


def _duration_of_stream_info(info: bytes) -> float:
    sample_rate_hz, total = int.from_bytes(info[18:21]) >> 4, int.from_bytes(info[21:26]) & 0xF_FFFF_FFFF
    return total / sample_rate_hz if sample_rate_hz else 0.0


def _ends_in_a_frame(data: bytes) -> bool:
    """Whether the last FLAC frame is incomplete, so that its checksum is wrong. A tag behind it is skipped."""
    if data[-128:-125] == b"TAG":
        data = data[:-128]
    end = len(data)
    for _ in range(_MAX_FRAMES):  # bytes that look like the start of a frame may be sound
        at = max(data.rfind(sync, len(data) - _LAST_FRAMES_BYTES, end) for sync in (b"\xff\xf8", b"\xff\xf9"))
        if at < 0:
            break
        if _crc16(data[at:]) == 0:
            return False
        end = at
    return True


def _crc16(data: bytes) -> int:
    """FLAC's checksum of a frame, with the polynomial 0x8005. It is 0 over a complete frame, which ends with it."""
    crc = 0
    for value in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ value]
    return crc


def _crc16_of(value: int) -> int:
    crc = value << 8
    for _ in range(8):
        crc = (crc << 1 ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


_CRC16: Final = tuple(map(_crc16_of, range(256)))
