"""Files whose headers claim what is not there; MP4 box by box.

`python -m encoders.lying_mp4` reads the worst of them and prints, as JSON, what each took.
"""

from __future__ import annotations

import json
import resource
import struct
import time
from dataclasses import dataclass
from typing import Any, Final

from encoders.clip_files import atom, encoded, hum

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader

__all__ = ["FTYP", "Tables", "bombs", "fragments", "movie"]

FTYP: Final = atom(b"ftyp", b"M4A \0\0\0\0isom")


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
    moov = atom(
        b"moov", _mvhd() + _trak(empty) + atom(b"mvex", atom(b"trex", struct.pack(">IIIIII", 0, 1, 1, 1024, 4, 0)))
    )
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
        + atom(
            b"stsc",
            struct.pack(">IIIII", 0, bool(tables.per_chunk), 1, tables.per_chunk, 1)[: 8 + 12 * bool(tables.per_chunk)],
        )
        + atom(b"stco", struct.pack(">II", 0, tables.chunks) + struct.pack(">I", 700) * min(tables.chunks, 50_000))
        + tables.extra
    )


def bombs() -> dict[str, bytes]:
    """Files of some KB or MB that ask for gigabytes, or for as much as is just allowed."""
    million = 1_000_000

    def two(count: int) -> Tables:
        return Tables(count=count, durations=((count - 1, 1), (1, 1)), per_chunk=count)

    aiff = encoded("aiff", hum(0.5), sample_rate_hz=24_000)
    flac = encoded("flac", hum(0.5), sample_rate_hz=24_000)
    text = struct.pack(">4sI", b"ANNO", 0x7FFF_0000)
    tracks = bytes.fromhex("1a45dfa380 18538067 01ffffffffffffff 1654ae6b") + ((1 << 56) | 8 * million).to_bytes(8)
    return {
        "one table": movie(two(80 * million)),
        "two tracks": movie(two(80 * million), two(80 * million)),
        "six tracks": movie(*[two(40 * million)] * 6),
        "a run": fragments((0, 50 * million, b"")),
        "chunks": movie(Tables(count=20_000, durations=((20_000, 1),), per_chunk=2**31 - 1, chunks=50_000)),
        "just allowed": movie(two(999_999)),
        "just allowed, by edits": movie(Tables(count=1000, durations=((999, 1), (1, 1)), per_chunk=1000, edits=999)),
        "just allowed, by runs": fragments(*[(0, 249_000, b"")] * 4),
        "just allowed, uncompressed": movie(
            Tables(count=40 * million, durations=((40 * million, 1),), per_chunk=800, chunks=50_000)
        ),
        "chapters": movie(two(900_000), Tables(handler=b"text"), sound=b"\xff\xf0" * 40_000),
        "matroska tracks": tracks + b"\xae\x80" * (4 * million),
        "aiff text": aiff[:12] + text + aiff[12:],
        "flac blocks": flac[:4] + flac[4:42] + b"\x04\xff\xff\xff" * 10_000 + flac[42:],
        "sizes of 4 bits": movie(
            Tables(count=0, extra=atom(b"stz2", struct.pack(">III", 0, 4, 4 * million) + bytes(2 * million)))
        ),
    }


def _taken(data: bytes) -> dict[str, Any]:
    before, began = _peak_bytes(), time.process_time()
    try:
        InProcessClipReader().decode(data, limits=ClipLimits())
        outcome = "read"
    except InvalidAudio as error:
        outcome = error.code
    return {"outcome": outcome, "growth_bytes": _peak_bytes() - before, "cpu_s": time.process_time() - began}


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    files = bombs()
    resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
    print(json.dumps({name: _taken(data) for name, data in files.items()}))
