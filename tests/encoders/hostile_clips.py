"""Clips of every format, and what has been done to them by accident or with intent; seeded, so that each comes again.

Some name a port where someone listens, a real recording and a pipe that nobody writes to: no reader may touch them.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import av
import numpy as np
from encoders.clip_files import KINDS, atom, encoded, hum, id3, with_cover

__all__ = ["Traps", "case", "crafted", "valid_clips"]

Traps = tuple[int, str, str]
"""A port, a file and a named pipe that must never be touched."""


def valid_clips() -> dict[str, bytes]:
    """A short clip of each kind."""
    return {kind: encoded(kind, hum(1.3, channels=2), sample_rate_hz=24_000) for kind in KINDS}


def case(seed: int, number: int, valid: dict[str, bytes], special: dict[str, bytes]) -> tuple[str, bytes]:
    """(name, bytes) of one hostile clip. The crafted ones come first; then each is a mutation of a valid or crafted."""
    if number < len(special):
        return list(special.items())[number]
    rng = random.Random(f"{seed} {number}")
    sources = valid if rng.random() < 0.9 else {name: data for name, data in special.items() if len(data) < 200_000}
    name = rng.choice(sorted(sources))
    data = sources[name]
    how = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutate = rng.choice(_MUTATIONS)
        data = mutate(data, rng) if mutate is not _splice else _splice(data, rng, rng.choice(list(valid.values())))
        how.append(mutate.__name__.strip("_"))
    return f"{number} {name}: {', '.join(how)}", data


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    # Half of the damage goes where the headers are.
    reach = len(data) if rng.random() < 0.5 else min(len(data), 300)
    for _ in range(rng.choice((1, 2, 8, 64)) if reach else 0):
        changed[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _lie(data: bytes, rng: random.Random) -> bytes:
    """Another number where one may stand."""
    if len(data) < 8:
        return data
    changed = bytearray(data)
    at = rng.randrange(min(len(data), rng.choice((64, 600, len(data)))) - 3 if len(data) > 67 else 4)
    value = rng.choice((0, 1, 0x7F, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, rng.getrandbits(32)))
    struct.pack_into(rng.choice("<>") + "I", changed, at, value)
    return bytes(changed)


def _remove(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randrange(1, 2000) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((rng.randbytes(rng.randrange(1, 2000)), bytes(rng.randrange(1, 9000)))) + data[at:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    stretch = data[at : at + rng.randrange(1, 3000)]
    return data[:at] + stretch * rng.randrange(2, 40) + data[at:]


def _shuffle(data: bytes, rng: random.Random) -> bytes:
    places = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    a, b, c = places
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _splice(data: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


_MUTATIONS: Final[tuple[Callable[..., bytes], ...]] = (
    _flip, _flip, _cut, _lie, _lie, _remove, _insert, _repeat, _shuffle, _splice,
)  # fmt: skip


def crafted(traps: Traps) -> dict[str, bytes]:
    """Clips that someone made to do harm."""
    return {**_pointers(traps), **_no_sound(), **_bombs(), **_odd_headers(), **_endless()}


def _pointers(traps: Traps) -> dict[str, bytes]:
    """Files that name others."""
    port, file, pipe = traps
    url = f"http://127.0.0.1:{port}/a.wav"
    found = {
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "smil": f'<smil><body><audio src="{url}"/></body></smil>',
        "xspf": f'<playlist version="1"><trackList><track><location>{url}</location></track></trackList></playlist>',
        "asx": f'<asx version="3"><entry><ref href="{url}"/></entry></asx>',
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
        "rtsp": f"RTSPtext\nrtsp://127.0.0.1:{port}/x\n",
    }
    for name, target in (("url", url), ("file", file), ("fifo", pipe), ("scheme", f"file://{file}")):
        found |= {
            f"m3u-{name}": f"#EXTM3U\n{target}\n",
            f"hls-{name}": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
            f"hls-key-{name}": f'#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
            f'#EXT-X-MAP:URI="{target}"\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n',
            f"concat-{name}": f"ffconcat version 1.0\nfile '{target}'\nduration 2\n",
            f"pls-{name}": f"[playlist]\nFile1={target}\nNumberOfEntries=1\n",
            f"image2-{name}": f"{target}\n" * 30,
        }
    data = {name: text.encode() for name, text in found.items()}
    reference = atom(b"url ", bytes(4) + url.encode() + b"\0") + atom(b"alis", bytes(4) + file.encode() + b"\0")
    movie = encoded("m4a", hum(1.3), sample_rate_hz=24_000)
    data["mp4-dref"] = movie.replace(atom(b"url ", b"\0\0\0\1"), reference)
    data["mp4-rmra"] = atom(b"ftyp", b"qt  ") + atom(
        b"moov", atom(b"rmra", atom(b"rmda", atom(b"rdrf", bytes(4) + b"url " + b"\0\0\0\x40" + url.encode())))
    )
    return data


def _no_sound() -> dict[str, bytes]:
    sink = BytesIO()
    with av.open(sink, "w", format="mp4") as file:
        stream: Any = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(20):
            file.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(stream.encode(None))
    return {
        "empty": b"",
        "zeros": bytes(100_000),
        "ones": b"\xff" * 100_000,
        "text": b"This is no sound at all. " * 4000,
        "html": b"<!doctype html><html><body><audio src='a.wav'></audio></body></html>" * 50,
        "pdf": b"%PDF-1.7\n" + b"1 0 obj <</Type /Catalog>> endobj\n" * 1000,
        "zip": b"PK\x03\x04" + zlib.compress(bytes(5_000_000)),
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\3" + zlib.compress(bytes(5_000_000))[2:],
        "png": _png(64),
        "video-only": sink.getvalue(),
        "script": b"#!/bin/sh\ncat /etc/passwd\n",
    }


def _png(side: int) -> bytes:
    """A square picture of one colour; of 30,000 pixels a side it is some KB, and 900 MB when decoded."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compressobj(9)
    row = bytes(side + 1)
    packed = b"".join(rows.compress(row) for _ in range(min(side, 2000))) + rows.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _bombs() -> dict[str, bytes]:
    picture = _png(30_000)
    found = {
        f"cover-{kind}": with_cover(kind, encoded(kind, hum(1.3), sample_rate_hz=24_000), picture)
        for kind in ("mp3", "flac", "m4a")
    }
    silence = np.zeros((1, 24_000), np.float32)
    for kind, sync in (("aac", b"\xff\xf1"), ("mp3", b"\xff\xf3")):
        second = encoded(kind, silence, sample_rate_hz=24_000)
        second = second[second.index(sync, 100) : second.rindex(sync)]
        found[f"hours-{kind}"] = second * (6_000_000 // len(second))
    found["long-opus"] = encoded("opus", np.zeros((1, 330 * 8000), np.float32), sample_rate_hz=8000)
    found["long-flac"] = encoded("flac", np.zeros((2, 1200 * 8000), np.float32), sample_rate_hz=8000)
    wide = encoded("flac", np.zeros((2, 192_000), np.float32), sample_rate_hz=192_000)
    begin = wide.index(b"\xff\xf8")
    found["hours-flac"] = wide[:begin] + wide[begin:] * (4_000_000 // len(wide[begin:]))
    return found


def _wav(
    *,
    code: int = 1,
    channels: int = 1,
    sample_rate_hz: int = 24_000,
    align: int = 2,
    bits: int = 16,
    extra: bytes = b"",
    size: int | None = None,
) -> bytes:
    body: bytes = (hum(1.3)[0] * 32767).astype("<i2").tobytes()
    head = struct.pack("<HHIIHH", code, channels, sample_rate_hz, sample_rate_hz * align & 0xFFFFFFFF, align, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + head + extra
    chunks += b"data" + struct.pack("<I", len(body) if size is None else size) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _odd_headers() -> dict[str, bytes]:
    aiff = bytearray(encoded("aiff", hum(1.3), sample_rate_hz=24_000))
    at = aiff.index(b"COMM") + 8
    found = {"aiff-frames": bytes(aiff[: at + 2] + b"\xff\xff\xff\xff" + aiff[at + 6 :])}
    for name, rate in (("nan", "7fffc000000000000000"), ("zero", "0" * 20), ("huge", "7ffeffffffffffffffff")):
        found[f"aiff-{name}"] = bytes(aiff[: at + 8] + bytes.fromhex(rate) + aiff[at + 18 :])
    movie = encoded("m4a", hum(1.3), sample_rate_hz=24_000)
    for name in ("stsz", "stts", "stco", "stsc", "stsd", "mdat", "moov", "trak"):
        at = movie.index(name.encode())
        found[f"mp4-{name}"] = movie[: at + 8] + b"\x7f\xff\xff\xf0" * 2 + movie[at + 16 :]
        found[f"mp4-size-{name}"] = movie[: at - 4] + b"\x7f\xff\xff\xf0" + movie[at:]
    return found | {
        "wav-65-channels": _wav(channels=65, align=130),
        "wav-65535-channels": _wav(channels=65535, align=65535),
        "wav-0-channels": _wav(channels=0),
        "wav-1-hz": _wav(sample_rate_hz=1),
        "wav-0-hz": _wav(sample_rate_hz=0),
        "wav-4-ghz": _wav(sample_rate_hz=0xFFFFFFFF),
        "wav-0-bits": _wav(bits=0),
        "wav-1-bit": _wav(bits=1, align=1),
        "wav-65535-bits": _wav(bits=65535, align=65535),
        "wav-0-align": _wav(align=0),
        "wav-odd-code": _wav(code=0x2000),
        "wav-huge-data": _wav(size=0xFFFFFFF0),
        "wav-huge-chunk": _wav(extra=b"LIST" + struct.pack("<I", 0xFFFFFFF7) + b"INFO"),
        "wav-0-data": _wav(size=0),
        "id3-lies": id3(bytes(10), size=0x0FFFFFFF) + encoded("mp3", hum(1.3), sample_rate_hz=24_000),
    }


def _endless() -> dict[str, bytes]:
    page = encoded("opus", hum(1.3), sample_rate_hz=24_000)
    flat = b"".join(b"OggS\0\2" + bytes(8) + struct.pack("<I", i) + bytes(4) + bytes(4) + b"\0" for i in range(20_000))
    nested = b""
    for _ in range(20_000):
        nested = struct.pack(">I", len(nested) + 8 & 0xFFFFFFFF) + b"moov" + nested if len(nested) < 150_000 else nested
    return {
        "ogg-pages": page + page[-4000:] * 1000,
        "ogg-chained": page * 60,
        "ogg-streams": flat,
        "mp4-nested": atom(b"ftyp", b"M4A \0\0\0\0") + nested,
        "mp4-atoms": atom(b"ftyp", b"M4A \0\0\0\0") + atom(b"free", b"") * 500_000,
        "mp4-tracks": atom(b"ftyp", b"M4A \0\0\0\0") + atom(b"moov", atom(b"trak", b"") * 200_000),
        "wav-chunks": _wav(extra=b"junk\0\0\0\0" * 500_000),
        "wav-formats": _wav(extra=(b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, 24_000, 96_000, 4, 16)) * 100_000),
        "aiff-chunks": b"FORM\x7f\xff\xff\xffAIFF" + b"JUNK\0\0\0\0" * 500_000,
        "webm-void": bytes.fromhex("1a45dfa3 80") + b"\xec\x80" * 1_000_000,
        "webm-deep": bytes.fromhex("1a45dfa3 80 18538067 ff") + b"\x1f\x43\xb6\x75\xff" * 200_000,
        "id3-many": id3(b"TIT2\0\0\0\4\0\0\0abc" * 100) * 4000,
        "mp3-heads": b"\xff\xfb\x90\x00" * 500_000,
        "aac-heads": bytes.fromhex("fff15080 01 1ffc 00") * 300_000,
        "flac-blocks": b"fLaC" + b"\x01\0\0\0" * 500_000,
    }
