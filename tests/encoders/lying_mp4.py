"""MP4 files, box by box, whose tables claim what is not there."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from encoders.clip_files import atom

__all__ = ["Tables", "fragments", "movie"]

FTYP = atom(b"ftyp", b"M4A \0\0\0\0isom")


@dataclass
class Tables:
    """What the tables of a track claim; each may lie."""

    count: int = 100
    same_size: int = 4
    durations: tuple[tuple[int, int], ...] = ((100, 1024),)
    per_chunk: int = 100
    chunks: int = 1
    edits: int = 0
    handler: bytes = b"soun"
    extra: bytes = b""
    """Further boxes beside the tables."""


def movie(*tracks: Tables, sound: bytes = bytes(40_000)) -> bytes:
    """A file with these tracks, all of the same sound."""
    moov = atom(b"moov", _mvhd() + b"".join(map(_trak, tracks)))
    return FTYP + moov + atom(b"mdat", sound)


def fragments(*runs: tuple[int, int, bytes]) -> bytes:
    """A fragmented file; a run is its flags, its claimed count, and what follows."""
    empty = Tables(count=0, same_size=0, durations=(), per_chunk=0, chunks=0)
    moov = atom(b"moov", _mvhd() + _trak(empty) + atom(b"mvex", atom(b"trex", struct.pack(">IIIIII", 0, 1, 1, 1024, 4, 0))))
    moofs = b""
    for flags, count, entries in runs:
        tfhd = atom(b"tfhd", struct.pack(">II", 0x20000, 1))
        trun = atom(b"trun", struct.pack(">II", flags, count) + entries)
        moofs += atom(b"moof", atom(b"mfhd", struct.pack(">II", 0, 1)) + atom(b"traf", tfhd + trun))
        moofs += atom(b"mdat", bytes(4000))
    return FTYP + moov + moofs


def _mvhd() -> bytes:
    return atom(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 2000) + bytes(80))


def _trak(tables: Tables) -> bytes:
    tkhd = atom(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, 1, 0, 2000) + bytes(60))
    mdhd = atom(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 44_100, 102_400, 0))
    hdlr = atom(b"hdlr", bytes(8) + tables.handler + bytes(13))
    edts = b""
    if tables.edits:
        entry = struct.pack(">Iii", 2000, 0, 65536)
        edts = atom(b"edts", atom(b"elst", struct.pack(">II", 0, tables.edits) + entry * min(tables.edits, 5000)))
    return atom(b"trak", tkhd + edts + atom(b"mdia", mdhd + hdlr + atom(b"minf", atom(b"stbl", _stbl(tables)))))


def _stbl(tables: Tables) -> bytes:
    sowt = atom(b"sowt", bytes(6) + struct.pack(">HIIHHHHI", 1, 0, 0, 2, 16, 0, 0, 44_100 << 16))
    durations = b"".join(struct.pack(">II", *each) for each in tables.durations)
    return (
        atom(b"stsd", struct.pack(">II", 0, 1) + sowt)
        + atom(b"stts", struct.pack(">II", 0, len(tables.durations)) + durations)
        + atom(b"stsz", struct.pack(">III", 0, tables.same_size, tables.count))
        + atom(b"stsc", struct.pack(">IIIII", 0, bool(tables.per_chunk), 1, tables.per_chunk, 1)[: 8 + 12 * bool(tables.per_chunk)])
        + atom(b"stco", struct.pack(">II", 0, tables.chunks) + struct.pack(">I", 700) * min(tables.chunks, 50_000))
        + tables.extra
    )
