"""What a header claims is bounded before anybody believes it: by memory and time, and by what recordings have."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from encoders.clip_files import atom, encoded, hum
from encoders.lying_mp4 import FTYP, Tables, bombs, fragments, movie
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.matroska import matroska_end
from chatterbox_api_encoders.mp4 import check_boxes

TESTS: Final = Path(__file__).parents[1]
MOST_GROWTH_BYTES: Final = 128 * 2**20
MOST_CPU_S: Final = 6.0
MILLION: Final = 1_000_000


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidAudio) as caught:
        InProcessClipReader().decode(data, limits=ClipLimits())
    assert caught.value.code == "invalid_audio"
    return caught.value.message


COUNTS = st.integers(MILLION + 1, 2**32 - 1)


@given(count=COUNTS, size=st.integers(1, 2**31), tracks=st.integers(1, 16), handler=st.sampled_from([b"soun", b"vide"]))
@example(count=80 * MILLION, size=1, tracks=2, handler=b"soun")
@settings(max_examples=60, deadline=None)
def test_samples_of_one_size_are_counted(count: int, size: int, tracks: int, handler: bytes) -> None:
    """The table needs no byte for them; FFmpeg's index would need 24 for each."""
    lie = Tables(count=count, same_size=size, durations=((count - 1, 1), (1, 1)), per_chunk=count, handler=handler)
    assert "samples" in refusal(movie(*[lie] * tracks))


@given(
    per_chunk=st.integers(1, 2**32 - 1),
    chunks=st.integers(1, 50_000),
    handler=st.sampled_from([b"soun", b"vide", b"subp"]),
)
@example(per_chunk=2**32 - 1, chunks=50_000, handler=b"soun")
@settings(max_examples=60, deadline=None)
def test_uncompressed_sound_is_counted_by_chunks(per_chunk: int, chunks: int, handler: bytes) -> None:
    """A file of uncompressed sound may claim as many samples as 300 s have, which FFmpeg packs by the thousand."""
    count = per_chunk * chunks & 0xFFFF_FFFF
    data = movie(
        Tables(count=count, same_size=2, durations=((count, 1),), per_chunk=per_chunk, chunks=chunks, handler=handler)
    )
    entries = count if handler != b"soun" else chunks * -(-per_chunk // 160)
    if entries > MILLION:
        with pytest.raises(InvalidAudio, match="samples"):
            check_boxes(data)
    else:
        check_boxes(data)


@given(flags=st.integers(0, 15), count=st.integers(0, 2**32 - 1), there=st.integers(0, 300), runs=st.integers(1, 4))
@example(flags=0, count=50 * MILLION, there=0, runs=1)
@example(flags=0, count=400_000, there=0, runs=3)
@settings(max_examples=80, deadline=None)
def test_runs_of_fragments_are_counted(flags: int, count: int, there: int, runs: int) -> None:
    width = 4 * flags.bit_count()
    data = fragments(*[(flags << 8, count, bytes(width * there))] * runs)
    if count * runs > MILLION or count * width > width * there:
        with pytest.raises(InvalidAudio):
            check_boxes(data)
    else:
        check_boxes(data)


@given(
    kind=st.sampled_from([b"stsz", b"stz2", b"stts", b"ctts", b"stss", b"stps", b"stsc", b"co64", b"keys", b"sbgp"]),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_a_table_has_the_entries_that_it_claims(kind: bytes, data: Any) -> None:
    there = data.draw(st.integers(0, 50))
    count = data.draw(st.integers(201, 2**32 - 1))  # more than there are bytes, of which an stz2 entry has one
    head = {b"stsz": 4, b"stz2": 4, b"sbgp": 4}.get(kind, 0)
    field = b"\0\0\0\x08" if kind == b"stz2" else bytes(head)
    table = atom(kind, bytes(4) + field + struct.pack(">I", count) + bytes(there * 4))
    with pytest.raises(InvalidAudio, match="claims"):
        check_boxes(movie(Tables(extra=table)))


def test_a_second_table_is_counted_as_well() -> None:
    """Wherever it stands within the track."""
    table = atom(b"stsz", struct.pack(">III", 0, 4, 80 * MILLION))
    for wrapped in (table, atom(b"udta", table), atom(b"meta", bytes(4) + table), atom(b"edts", atom(b"dinf", table))):
        assert "samples" in refusal(movie(Tables(extra=wrapped)))
    assert "where the encoding is described" in refusal(movie(Tables(extra=atom(b"stsd", bytes(40) + table))))


def test_boxes_of_every_way_to_write_a_size() -> None:
    """Of 64 bits, up to the end, cut by their parent: what is within is found."""
    body = movie(Tables(count=80 * MILLION, durations=((1, 1), (1, 1))))[len(FTYP) + 8 :]
    body = body[: body.rindex(b"mdat") - 4]
    for head in (struct.pack(">I4sQ", 1, b"moov", 16 + len(body)), struct.pack(">I4s", 0, b"moov"), b"\x7f\0\0\0moov"):
        with pytest.raises(InvalidAudio, match="samples"):
            check_boxes(FTYP + head + body)
    with pytest.raises(InvalidAudio, match="samples"):
        check_boxes(FTYP + atom(b"free", body))  # FFmpeg looks for a header in free space, too


def test_tracks_edits_boxes_and_depth_have_limits() -> None:
    check_boxes(movie(*[Tables()] * 16))
    assert "more than 16 tracks" in refusal(movie(*[Tables()] * 17))
    check_boxes(movie(Tables(edits=1000)))
    assert "claims 1,001 entries" in refusal(movie(Tables(edits=1001)))
    many = Tables(edits=1000, count=2000, durations=((1999, 1), (1, 1)))
    assert "samples" in refusal(movie(many)), "each edit may repeat all of them"
    assert "boxes" in refusal(FTYP + atom(b"free", b"") * 300_000)
    nested = b""
    for _ in range(20):
        nested = atom(b"udta", nested)
    assert "nested too deep" in refusal(FTYP + atom(b"moov", nested))
    assert "fragments" in refusal(FTYP + atom(b"moof", b"") * 40_000)
    assert "fragments" in refusal(FTYP + atom(b"sidx", bytes(22) + b"\x80\0" + bytes(4)) * 3)


@given(st.binary(max_size=400), st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_no_bytes_confuse_the_walks(noise: bytes, at: int) -> None:
    """They end, and raise nothing else."""
    for whole, walk in ((movie(Tables()), check_boxes), (WEBM, matroska_end)):
        try:
            walk(whole[:at] + noise + whole[at:])
        except InvalidAudio:
            continue


WEBM: Final = encoded("webm", hum(1.3), sample_rate_hz=24_000)


def element(number: int, body: bytes) -> bytes:
    size = (len(number.to_bytes(4)) and (len(body) | 1 << 56)).to_bytes(8)
    return number.to_bytes((number.bit_length() + 7) // 8) + size + body


def test_matroska_tracks_and_elements_have_limits() -> None:
    head = element(0x1A45DFA3, b"")
    segment = bytes.fromhex("18538067 01ffffffffffffff")
    for body, message in (
        (element(0x1654AE6B, b"\xae\x80" * 17), "more than 16 tracks"),
        (element(0x1254C367, b"\x73\x73\x80" * 60_000), "more than 50,000 elements"),
        (element(0x1C53BB6B, b"\xbb\x80" * 60_000), "more than 50,000 elements"),
        (b"\xec\x80" * 400_000, "more than 300,000 elements"),
    ):
        assert message in refusal(head + segment + body)
    assert matroska_end(WEBM).cut_off is False


@pytest.fixture(scope="module")
def readings() -> dict[str, dict[str, Any]]:
    """What reading each of the bombs takes, in a process that may have a gigabyte and a half of address space."""
    done = subprocess.run(
        [sys.executable, "-m", "encoders.lying_mp4"],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", bombs())
def test_no_claim_takes_memory_or_time(name: str, readings: dict[str, dict[str, Any]]) -> None:
    assert readings[name]["growth_bytes"] < MOST_GROWTH_BYTES, readings[name]
    assert readings[name]["cpu_s"] < MOST_CPU_S, readings[name]
    assert readings[name]["outcome"] in ("invalid_audio", "audio_too_short", "audio_too_long")
