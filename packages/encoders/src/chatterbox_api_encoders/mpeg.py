"""MP3 and AAC in ADTS frames: streams of frames without a container, with tags around and between them.

A frame's header says how long the frame is. The layouts are those of ISO/IEC 11172-3 and 13818-3 (MP3), 13818-7
(ADTS) and https://id3.org; the frame with the number of frames is that of the Xing and Fraunhofer (VBRI) encoders.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from chatterbox_api_encoders.endings import FileEnd

__all__ = ["adts_end", "joined_mp3", "mp3_end", "without_id3"]

_KBPS: Final = {
    # (MPEG 1, layer): by index
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ: Final = (44_100, 48_000, 32_000)
_SYNC: Final = re.compile(rb"\xff[\xe2-\xff]")
_REACH: Final = 64 * 1024
"""How far FFmpeg looks for a first frame."""
_MAX_FRAMES: Final = 500_000
_ID3V1_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class _Frame:
    size: int
    samples: int
    sample_rate_hz: int
    tag_at: int
    """Where, in a frame of layer III, the number of frames may stand."""


def without_id3(data: bytes) -> bytes:
    """The file without ID3v2 tags at its start. FFmpeg skips them for some formats only; a picture may be in one."""
    at = 0
    while at + 10 <= len(data) and data[at : at + 3] == b"ID3":
        at += _id3_size(data, at)
    return data[at:] if 0 < at < len(data) else data


def joined_mp3(data: bytes) -> bytes:
    """An mp3 file without tags between its frames; files that were joined from others have them."""
    spans = [span for span in _walk(data)[1] if span[1] < len(data)]
    if not spans:
        return data
    kept, at = [], 0
    for begin, end in spans:
        kept.append(data[at:begin])
        at = end
    return b"".join((*kept, data[at:]))


def mp3_end(data: bytes) -> FileEnd:
    """The duration that the first frame declares. Where it declares none, whether the last frame is complete."""
    at, frame = _first(data)
    if frame is None:
        return FileEnd()
    frames, size, padding_samples = _declared(data, at, frame)
    if not frames:
        return FileEnd(cut_off=_walk(data)[0])
    if size and len(data) - at >= size:
        return FileEnd()
    return FileEnd(declared_s=(frames * frame.samples - padding_samples) / frame.sample_rate_hz)


def adts_end(data: bytes) -> FileEnd:
    """Whether the last frame is complete, as far as each frame leads to the next."""
    at = 0
    for _ in range(_MAX_FRAMES):
        if at + 7 > len(data):
            return FileEnd(cut_off=at > len(data) or data[at : at + 1] == b"\xff")
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0 or size < 7:
            return FileEnd()
        at += size
    return FileEnd()


def _declared(data: bytes, at: int, frame: _Frame) -> tuple[int, int, int]:
    """The frames, the bytes and the padding samples that the first frame declares; zeros where it declares none."""
    tag = at + frame.tag_at
    if data[tag : tag + 4] in (b"Xing", b"Info") and tag + 144 <= len(data):
        (flags,) = struct.unpack_from(">I", data, tag + 4)
        place = tag + 8
        found = [0, 0]
        for number in (0, 1):
            if flags >> number & 1:
                (found[number],) = struct.unpack_from(">I", data, place)
                place += 4
        place += 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        padding_samples = int.from_bytes(data[place + 21 : place + 24])
        return found[0], found[1], (padding_samples >> 12) + (padding_samples & 0xFFF)
    if data[at + 36 : at + 40] == b"VBRI" and at + 54 <= len(data):
        size, frames = struct.unpack_from(">II", data, at + 46)
        return frames, size, 0
    return 0, 0, 0


def _walk(data: bytes) -> tuple[bool, list[tuple[int, int]]]:
    """(whether the last frame is cut off, where tags stand between frames), as far as one frame leads to the next."""
    at, frame = _first(data)
    spans: list[tuple[int, int]] = []
    for _ in range(_MAX_FRAMES):
        if frame is None:
            size = _tag_size(data, at)
            if not size:
                return False, spans
            spans.append((at, at + size))
            at += size
        elif at + frame.size > len(data):
            return True, spans
        else:
            at += frame.size
        frame = _frame(data, at)
    return False, spans


def _tag_size(data: bytes, at: int) -> int:
    if data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        return _id3_size(data, at)
    if data[at : at + 3] == b"TAG" and at + _ID3V1_BYTES <= len(data):
        return _ID3V1_BYTES
    if data[at : at + 8] == b"APETAGEX" and at + 32 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 12)
        return int(size) + 32 if data[at + 23] & 0x20 else 32
    return 0


def _id3_size(data: bytes, at: int) -> int:
    size = 0
    for value in data[at + 6 : at + 10]:  # four bytes of seven bits each
        size = size << 7 | value & 0x7F
    return size + (20 if data[at + 5] & 0x10 else 10)  # one flag says that a footer follows


def _first(data: bytes) -> tuple[int, _Frame | None]:
    """The first frame that another one follows, or the end."""
    for match in _SYNC.finditer(data, 0, _REACH):
        frame = _frame(data, match.start())
        after = match.start() + frame.size if frame else 0
        if frame and (after >= len(data) or _frame(data, after) or _tag_size(data, after)):
            return match.start(), frame
    return len(data), None


def _frame(data: bytes, at: int) -> _Frame | None:
    """The frame whose header stands there. One of free bit rate does not say how long it is."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    kbps_at, rate_at = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer == 4 or kbps_at in (0, 15) or rate_at == 3:
        return None
    newest = version == 3
    sample_rate_hz = _RATES_HZ[rate_at] // {3: 1, 2: 2, 0: 4}[version]
    samples = 384 if layer == 1 else 576 if layer == 3 and not newest else 1152
    padding = data[at + 2] >> 1 & 1
    bits = 1000 * _KBPS[newest, layer][kbps_at]
    size = (
        (12 * bits // sample_rate_hz + padding) * 4 if layer == 1 else samples // 8 * bits // sample_rate_hz + padding
    )
    mono = data[at + 3] >> 6 == 3
    side = (17 if mono else 32) if newest else (9 if mono else 17)
    return _Frame(size, samples, sample_rate_hz, 4 + side)
