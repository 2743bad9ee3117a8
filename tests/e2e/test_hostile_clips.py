"""What strangers send to the real service as clips: each is answered alone, the service goes on, memory has a bound.

The short form sends some dozens; the long one, with CHATTERBOX_LONG_TESTS=1, every crafted clip and thousands of
mutations.
"""

from __future__ import annotations

import random
import signal
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import av
import httpx
import numpy as np
import psutil
import pytest
from encoders.clip_files import atom, encoded, hum
from encoders.hostile_clips import case, crafted, valid_clips
from support.effort import LONG
from support.service import RunningService, running_service

COUNT: Final = 20_000 if LONG else 60
MOST_TREE_MB: Final = 600
PATIENT_S: Final = 120.0
GOOD: Final = encoded("wav", hum(1.3), sample_rate_hz=24_000)


class ProcessTree:
    """Memory of the service and all its processes, shared pages counted once; looked at all the time."""

    def __init__(self, service: RunningService) -> None:
        self.peak_mb, self._service, self._over = 0.0, service, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.peak_mb = max(self.peak_mb, self.pss_mb())

    def pss_mb(self) -> float:
        total = 0.0
        with suppress(psutil.Error):
            for process in (psutil.Process(self._service.process.pid), *self._service.children()):
                with suppress(OSError, StopIteration):
                    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines()
                    total += int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024
        return total

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("hostile")) as service:
        yield service


@pytest.fixture
def tree(service: RunningService) -> Iterator[ProcessTree]:
    """After the test the service is the one that was there before, healthy, and has kept within its memory."""
    tree = ProcessTree(service)
    try:
        yield tree
    finally:
        tree.close()
    assert service.process.poll() is None, service.log.read_text()
    assert httpx.get(f"{service.url}/health", timeout=PATIENT_S).status_code == 200
    assert sent(service, GOOD).status_code == 200
    print(f"at most {tree.peak_mb:.0f} MB")
    assert tree.peak_mb <= MOST_TREE_MB


def sent(service: RunningService, clip: bytes, name: str = "clip") -> httpx.Response:
    url = f"{service.url}/v1/audio/speech/upload"
    return httpx.post(url, data={"input": "Hi."}, files={"voice_file": (name, clip)}, timeout=PATIENT_S)


@cache
def eight_channels() -> dict[str, bytes]:
    """One sample of eight channels, and a second and a half of 7.1 in each format that carries it."""
    head = struct.pack("<HHIIHH", 1, 8, 8000, 128_000, 16, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", 16) + bytes(16)
    found = {"short.wav": b"RIFF" + struct.pack("<I", len(chunks)) + chunks}
    for name, container, codec, sample_format in (
        ("wav", "wav", "pcm_s16le", "s16"),
        ("flac", "flac", "flac", "s16"),
        ("opus", "ogg", "libopus", "flt"),
        ("m4a", "ipod", "aac", "fltp"),
    ):
        sink = BytesIO()
        with av.open(sink, "w", format=container) as file:
            stream: Any = file.add_stream(codec, rate=48_000)
            stream.layout, stream.format = "7.1", sample_format
            stream.codec_context.open()
            sound = np.ascontiguousarray(np.tile(hum(1.5, sample_rate_hz=48_000), (8, 1)).T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(sound, format="flt", layout="7.1")
            frame.sample_rate = 48_000
            resampler = av.AudioResampler(sample_format, "7.1", 48_000, frame_size=stream.codec_context.frame_size)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                file.mux(stream.encode(part))
            file.mux(stream.encode(None))
        found[f"7.1 {name}"] = sink.getvalue()
    return found


def mp4(count: int, *, table: str, tracks: int) -> bytes:
    """80 kB that claim `count` samples in each of some tracks."""
    entry = struct.pack(">I4s6xHHHIHHHHI", 36, b"sowt", 1, 0, 0, 0, 1, 16, 0, 0, 48_000 << 16)
    claimed = count if table in ("stsz", "stts") else 0
    sizes = struct.pack(">III", 0, 2, claimed)
    times = struct.pack(">IIIIII", 0, 2, max(0, claimed - 1), 1, min(1, claimed), 1)
    if table == "stts":
        times = struct.pack(">II", 0, count) + bytes(80)
    tables = [
        atom(b"stsd", struct.pack(">II", 0, 1) + entry),
        atom(b"stts", times),
        atom(b"stsc", struct.pack(">IIIII", 0, 1, 1, claimed, 1)),
        atom(b"stsz", sizes),
        atom(b"stco", struct.pack(">III", 0, 1, 48)),
    ]
    information = atom(b"minf", atom(b"smhd", bytes(8)) + atom(b"stbl", b"".join(tables)))
    media = atom(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 48_000, 0, 0, 0)) + atom(
        b"hdlr", bytes(8) + b"soun" + bytes(13)
    )
    movie = atom(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 1000) + bytes(80))
    for number in range(1, tracks + 1):
        head = atom(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, number, 0, 0) + bytes(60))
        movie += atom(b"trak", head + atom(b"mdia", media + information))
    if table == "trun":
        extends = b"".join(atom(b"trex", struct.pack(">IIIIII", 0, n, 1, 1, 2, 0)) for n in range(1, tracks + 1))
        movie += atom(b"mvex", extends)
    data = atom(b"ftyp", b"M4A \0\0\0\0") + atom(b"mdat", bytes(80_000)) + atom(b"moov", movie)
    if table == "trun":
        for number in range(1, tracks + 1):
            run = atom(b"tfhd", struct.pack(">II", 0, number)) + atom(b"trun", struct.pack(">II", 0, count))
            data += atom(b"moof", atom(b"mfhd", bytes(8)) + atom(b"traf", run))
    return data


@pytest.mark.parametrize("kind", ["short.wav", "7.1 wav", "7.1 flac", "7.1 opus", "7.1 m4a"])
def test_eight_channels_end_no_service(kind: str, service: RunningService, tree: ProcessTree) -> None:
    for _ in range(3):
        answer = sent(service, eight_channels()[kind], kind)
        assert answer.status_code == (400 if kind == "short.wav" else 200), answer.text


@pytest.mark.parametrize("table", ["stsz", "stts", "trun"])
@pytest.mark.parametrize(("count", "tracks"), [(2_000_000, 1), (80_000_000, 1), (50_000_000, 6), (300_000, 300)])
def test_tables_that_lie_take_no_memory(
    table: str, count: int, tracks: int, service: RunningService, tree: ProcessTree
) -> None:
    answer = sent(service, mp4(count, table=table, tracks=tracks), "lie.m4a")
    if count >= 50_000_000 and table in ("stsz", "stts"):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_audio")
        assert "its header claims" in answer.text or "its table" in answer.text, "found before FFmpeg sees it"
    else:
        assert answer.status_code in (200, 400), answer.text


def test_readers_that_are_killed_fail_their_own_clips_alone(service: RunningService, tree: ProcessTree) -> None:
    """A hundred uploads; whenever twenty more have been answered, the processes that read are killed."""
    clips = (encoded("wav", hum(1 + number / 100), sample_rate_hz=24_000) for number in range(100))
    answers = []
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda clip: sent(service, clip), clips):
            answers.append(answer)
            if len(answers) % 20 == 10:
                for child in readers(service):
                    child.send_signal(signal.SIGKILL)
    seen = Counter(answer.status_code for answer in answers)
    print(dict(seen))
    assert set(seen) <= {200, 400, 503}
    assert seen[200] > 50
    assert all("crashed the decoder" in answer.text for answer in answers if answer.status_code == 400)


def readers(service: RunningService) -> list[psutil.Process]:
    """The processes that read clips."""
    return [child for child in service.children() if any("clip_worker" in word for word in child.cmdline())]


def test_clips_of_all_kinds_are_read_or_refused(service: RunningService, tree: ProcessTree) -> None:
    """Crafted and mutated; beside them the service says that it is well, all along."""
    seed = random.randrange(10**9) if LONG else 1
    traps = (9, "/nowhere/a.wav", "/nowhere/b.wav")
    valid, special = valid_clips(), crafted(traps)
    over, ill = threading.Event(), []

    def ask() -> None:
        while not over.wait(0.2):
            answer = httpx.get(f"{service.url}/health", timeout=PATIENT_S)
            if answer.status_code != 200:
                ill.append(answer.text)

    def send(number: int) -> tuple[int, float, str]:
        name, clip = case(seed, number, valid, special)
        began_s = time.monotonic()
        answer = sent(service, clip, "clip")
        return (
            answer.status_code,
            time.monotonic() - began_s,
            f"{name}: {answer.text[:200] if answer.status_code != 200 else ''}",
        )

    asking = threading.Thread(target=ask)
    asking.start()
    numbers = range(COUNT) if LONG else [*range(0, len(special), 5), *range(len(special), len(special) + COUNT)]
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(send, numbers))
    finally:
        over.set()
        asking.join()
    slowest = max(found, key=lambda each: each[1])
    print(f"seed {seed}: {dict(Counter(status for status, _, _ in found))}, slowest {slowest[1:]}")
    assert ill == []
    assert [each for each in found if each[0] not in (200, 400)] == []
