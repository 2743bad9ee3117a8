"""MP4 and QuickTime files: limits what their boxes declare before FFmpeg believes it.

FFmpeg (`libavformat/mov.c`) builds an index of 24 bytes and more for each sample of each track while it opens a file,
from counts that need no byte of the file behind them. This walk enters the boxes that FFmpeg enters, and adds up
what its index will have. The layout is that of ISO/IEC 14496-12 and of Apple's «QuickTime File Format».
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from chatterbox_api_encoders.errors import implausible, unreadable

__all__ = ["check_boxes", "is_cut_off"]

_MAX_TRACKS: Final = 16
_MAX_BOXES: Final = 200_000
_MAX_FRAGMENTS: Final = 30_000
"""For each FFmpeg keeps a kilobyte, where there are many tracks. Live recordings have some in a second, at most 50."""
_MAX_DEPTH: Final = 10
"""FFmpeg's own limit."""
_MAX_SAMPLES: Final = 1_000_000
"""In the index, of all tracks: 300 s of AAC are 14,000 at 48 kHz. Uncompressed sound is indexed by chunks."""
_MAX_EDITS: Final = 1_000
_PCM_PACKET: Final = 160
"""FFmpeg makes packets of this many samples or more of uncompressed sound."""
_PARENTS: Final = frozenset(
    (
        b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof", b"traf", b"tref",
        b"sinf", b"schi", b"ilst", b"meta", b"wave",
    )
)  # fmt: skip
_ENTRY_BYTES: Final = {
    b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"co64": 8, b"stss": 4, b"stps": 4, b"dref": 12, b"stsd": 8,
    b"keys": 8,
}  # fmt: skip
"""Tables of four bytes, a count, and entries of at least so many bytes."""
_READ: Final = frozenset((*_ENTRY_BYTES, b"hdlr", b"stsz", b"stz2", b"elst", b"trun", b"sidx", b"sbgp"))
_NOT_IN_DESCRIPTION: Final = (b"stsz", b"stz2", b"stts", b"stsc", b"stco", b"co64", b"trun", b"elst", b"trak")
_KINDS: Final = frozenset((b"soun", b"vide", b"subp", b"clcp", b"m1a "))
_PICTURES: Final = frozenset((b"iinf", b"iloc", b"iprp", b"iref"))
_LOCKED: Final = frozenset((b"senc", b"saiz", b"tenc", b"adrm"))


def check_boxes(data: bytes) -> None:
    """Raise InvalidAudio where a file declares more tracks, samples, edits or boxes than a recording has."""
    walk = _Walk(data)
    walk.enter(0, len(data), None, 0)
    for track in walk.tracks:
        walk.samples += track.samples() * max(1, track.edits)
    if walk.samples > _MAX_SAMPLES:
        raise implausible(f"its header claims {walk.samples:,} samples of sound or more")


def is_cut_off(data: bytes) -> bool:
    """Whether the last box ends after the end of the file."""
    end = max((end for _, _, end in _boxes(data, 0, len(data), clamp=False)), default=0)
    return end > len(data) or any(data[end:])


@dataclass(slots=True)
class _Track:
    """What the tables of one track declare."""

    handlers: set[bytes] = field(default_factory=set)
    sizes: int = 0
    times: list[tuple[int, int]] = field(default_factory=list)
    chunks: int = 0
    samples_in_chunks: list[tuple[int, int]] = field(default_factory=list)
    edits: int = 0

    def samples(self) -> int:
        """Entries that FFmpeg's index will have, or a few more."""
        if self.handlers & _KINDS == {b"soun"} and len(self.times) == 1 and self.times[0][1] == 1:
            return self._packets()
        return self.sizes

    def _packets(self) -> int:
        """Of sound whose samples have one size and one duration."""
        found = 0
        runs = self.samples_in_chunks
        for number, (first, each) in enumerate(runs):
            last = runs[number + 1][0] if number + 1 < len(runs) else self.chunks + 1
            if last < first:
                raise implausible("its chunks are out of order")
            found += (last - first) * -(-each // _PCM_PACKET)
            if found > _MAX_SAMPLES:
                break
        return found


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.tracks: list[_Track] = []
        self.samples = 0
        self._data = data
        self._boxes = self._fragments = 0

    def enter(self, begin: int, end: int, track: _Track | None, depth: int) -> None:
        """Look at the boxes between these places, which belong to this track."""
        if depth > _MAX_DEPTH:
            raise implausible("its boxes are nested too deep")
        for kind, at, stop in _boxes(self._data, begin, end):
            self._boxes += 1
            if self._boxes > _MAX_BOXES:
                raise implausible(f"it has more than {_MAX_BOXES:,} boxes")
            if kind in (b"free", b"hoov") and self._data[at + 4 : at + 8] in (b"mvhd", b"cmov"):
                kind = b"moov"  # so does FFmpeg, where it finds no other
            _check_use(kind)
            if kind in _PARENTS:
                first = at + 4 if self._has_version(kind, at) else at
                self.enter(first, stop, self._begin(kind) or track, depth + 1)
            elif kind in _READ:
                self._read(kind, self._data[at:stop], track or _Track())

    def _begin(self, kind: bytes) -> _Track | None:
        """Count tracks and fragments; return the track that begins, if one does."""
        if kind == b"moof":
            self._count_fragments(1)
        if kind != b"trak":
            return None
        self.tracks.append(_Track())
        if len(self.tracks) > _MAX_TRACKS:
            raise implausible(f"it has more than {_MAX_TRACKS} tracks")
        return self.tracks[-1]

    def _has_version(self, kind: bytes, at: int) -> bool:
        """Whether a box of tags begins with a version, as it does in MP4 and does not in QuickTime."""
        return kind == b"meta" and self._data[at + 4 : at + 8] != b"hdlr"

    def _read(self, kind: bytes, body: bytes, track: _Track) -> None:
        if kind in _ENTRY_BYTES:
            _check_entries(kind, body, 4, _ENTRY_BYTES[kind])
        if kind == b"stsd" and any(name in body for name in _NOT_IN_DESCRIPTION):
            raise implausible("it has tables where the encoding is described")
        if kind == b"hdlr":
            track.handlers.add(body[8:12])
        elif kind in (b"stsz", b"stz2"):
            track.sizes = max(track.sizes, _count_of_sizes(kind, body))
        elif kind == b"stts":
            track.times += _pairs(body, 8, most=2)
        elif kind in (b"stco", b"co64"):
            track.chunks = max(track.chunks, int.from_bytes(body[4:8]))
        elif kind == b"stsc":
            track.samples_in_chunks += _pairs(body, 12)
        elif kind == b"elst":
            track.edits += _check_entries(kind, body, 4, 20 if body[:1] == b"\1" else 12, most=_MAX_EDITS)
        elif kind == b"trun":
            per_sample = (int.from_bytes(body[:4]) >> 8 & 0xF).bit_count()
            self.samples += _check_entries(kind, body, 4, 4 * per_sample)
        elif kind == b"sidx":
            self._count_fragments(int.from_bytes(body[30:32] if body[:1] == b"\1" else body[22:24]))
        elif kind == b"sbgp":
            _check_entries(kind, body, 12 if body[:1] == b"\1" else 8, 8)

    def _count_fragments(self, number: int) -> None:
        self._fragments += number
        if self._fragments > _MAX_FRAGMENTS:
            raise implausible(f"it has more than {_MAX_FRAGMENTS:,} fragments")


def _check_use(kind: bytes) -> None:
    """Raise InvalidAudio for a box that no recording to be read here has."""
    if kind == b"cmov":
        raise unreadable("its header is compressed", remedy="Export it again as wav or m4a.")
    if kind in _PICTURES:
        raise unreadable("it is a picture (HEIF)")
    if kind in _LOCKED:
        raise unreadable("it is protected (DRM)", remedy="Send a recording without copy protection.")


def _check_entries(kind: bytes, body: bytes, count_at: int, width: int, *, most: int | None = None) -> int:
    """The number of entries of a table, which must be there, and `most` at most."""
    count = int.from_bytes(body[count_at : count_at + 4])
    there = len(body) - count_at - 4
    if count and (count * width > there or (most is not None and count > most)):
        raise implausible(f"its table «{kind.decode()}» claims {count:,} entries")
    return count


def _count_of_sizes(kind: bytes, body: bytes) -> int:
    """How many samples a table of sizes claims; each has its entry there, unless all have one size."""
    same, count = int.from_bytes(body[4:8]), int.from_bytes(body[8:12])
    bits = 32 if kind == b"stsz" else same & 0xFF
    if (kind == b"stz2" or not same) and count * bits > 8 * max(0, len(body) - 12):
        raise implausible(f"its table «{kind.decode()}» claims {count:,} entries")
    return count


def _pairs(body: bytes, width: int, *, most: int | None = None) -> list[tuple[int, int]]:
    """The first two numbers of each entry."""
    count = min(int.from_bytes(body[4:8]), max(0, len(body) - 8) // width)
    count = count if most is None else min(count, most)
    return [struct.unpack_from(">II", body, 8 + at * width) for at in range(count)]


def _boxes(data: bytes, at: int, end: int, *, clamp: bool = True) -> Iterator[tuple[bytes, int, int]]:
    """(type, begin of the body, end) of each box, as far as they make sense."""
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        begin = at + 8
        if size == 1:
            if at + 16 > end:
                return
            (size,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        elif size == 0:
            size = end - at
        if at + size < begin:
            return
        stop = min(at + size, end) if clamp else at + size
        yield kind, begin, stop
        at += size
