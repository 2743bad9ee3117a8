"""WebM and Matroska files: the number of their elements, and whether the last one is complete.

FFmpeg keeps a structure of up to a kilobyte for each element of the header, and an element may have two bytes. A live
recording, such as a browser's, declares no sizes of its segment and its clusters. The layout is that of RFC 8794
(EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

import struct
from typing import Final

from chatterbox_api_encoders.endings import FileEnd
from chatterbox_api_encoders.errors import implausible

__all__ = ["matroska_end"]

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_INFO, _TRACK = 0x1549A966, 0xAE
_SCALE, _DURATION = 0x2AD7B1, 0x4489
_PARENTS: Final = frozenset(
    (
        _EBML, _INFO, _TRACK, 0x114D9B74, 0x4DBB, 0x1654AE6B, 0xE0, 0xE1, 0x6D80, 0x6240, 0x5034, 0x5035, 0x1C53BB6B,
        0xBB, 0xB7, 0xDB, 0x1043A770, 0x45B9, 0xB6, 0x8F, 0x80, 0x1254C367, 0x7373, 0x63C0, 0x67C8, 0x1941A469, 0x61A7,
        0x41E4, 0x55B0, 0x55D0, 0x7670, 0xE2, 0xE3, 0xE4, 0xE9, 0x6624, 0x6911, 0x6944,
    )
)  # fmt: skip
"""Elements that contain others, except for the segment and the clusters."""
_MAX_TRACKS: Final = 16
_MAX_OF_HEADER: Final = 50_000
_MAX_ELEMENTS: Final = 300_000
"""The blocks of a live recording have to be skipped one by one; an hour has 180,000 blocks of 20 ms."""
_MAX_DEPTH: Final = 16


def matroska_end(data: bytes) -> FileEnd:
    """Whether the file ends early, and the duration that it then declares.

    Raises:
        InvalidAudio: the file has too many tracks or elements.
    """
    walk = _Walk(data)
    walk.pass_all()
    return FileEnd(declared_s=walk.duration_s if walk.cut_off else 0.0, cut_off=walk.cut_off)


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.cut_off = False
        self._data = data
        self._scale_ns, self._duration = 1_000_000, 0.0
        self._tracks = self._of_header = 0

    @property
    def duration_s(self) -> float:
        return self._duration * self._scale_ns / 1e9

    def pass_all(self) -> None:
        """Walk over all elements. Enters the segment, and clusters of unknown size."""
        at = 0
        for _ in range(_MAX_ELEMENTS):
            if at >= len(self._data):
                self.cut_off |= at > len(self._data)
                return
            kind, size, begin = self._element(at)
            if not kind:
                self.cut_off = True
                return
            if kind == _SEGMENT:
                self.cut_off |= size is not None and begin + size > len(self._data)
                at = begin
            elif size is None:
                at = begin
            else:
                at = begin + size
                self._enter(kind, begin, min(at, len(self._data)), 0)
        raise implausible(f"it has more than {_MAX_ELEMENTS:,} elements")

    def _enter(self, kind: int, begin: int, end: int, depth: int) -> None:
        """Check an element of the header and those that it contains."""
        self._note(kind, begin, end)
        if kind not in _PARENTS:
            return
        if depth > _MAX_DEPTH:
            raise implausible("its elements are nested too deep")
        at = begin
        while at < end:
            child, size, first = self._element(at)
            if not child or size is None:
                return
            self._of_header += 1
            if self._of_header > _MAX_OF_HEADER:
                raise implausible(f"its header has more than {_MAX_OF_HEADER:,} elements")
            at = first + size
            self._enter(child, first, min(at, end), depth + 1)

    def _note(self, kind: int, begin: int, end: int) -> None:
        body = self._data[begin : min(end, begin + 8)]
        if kind == _TRACK:
            self._tracks += 1
            if self._tracks > _MAX_TRACKS:
                raise implausible(f"it has more than {_MAX_TRACKS} tracks")
        elif kind == _SCALE and body:
            self._scale_ns = int.from_bytes(body)
        elif kind == _DURATION and len(body) in (4, 8):
            (self._duration,) = struct.unpack(">f" if len(body) == 4 else ">d", body)

    def _element(self, at: int) -> tuple[int, int | None, int]:
        """The id of an element (0 for none), the size of its body (None for unknown), and the position of its body."""
        data = self._data
        id_size = 9 - data[at].bit_length()
        size_at = at + id_size
        if id_size > 4 or size_at >= len(data):
            return 0, None, at
        size_size = 9 - data[size_at].bit_length()
        begin = size_at + size_size
        if size_size > 8 or begin > len(data):
            return 0, None, at
        bits = 7 * size_size
        size = int.from_bytes(data[size_at:begin]) & ((1 << bits) - 1)
        return int.from_bytes(data[at:size_at]), (None if size == (1 << bits) - 1 else size), begin
