"""What is made and not yet read: the same bytes whether in memory or on disk, and never more than the budget."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidInput, Overloaded, Unavailable
from chatterbox_api_core.speech.spool import Spool, SpoolBudget

DISK_BYTES: Final = 2**20
writes = st.lists(st.tuples(st.none() | st.integers(0, 400), st.binary(max_size=300)), max_size=30)
"""Where to go before writing, if anywhere, and what to write."""


@settings(deadline=None, max_examples=200)
@given(writes=writes, memory_bytes=st.sampled_from([0, 1, 100, 1000, 10**6]), step=st.integers(1, 500))
def test_a_spool_is_a_file_wherever_its_bytes_are(
    writes: list[tuple[int | None, bytes]], memory_bytes: int, step: int
) -> None:
    budget = SpoolBudget(memory_bytes=memory_bytes, spool_memory_bytes=500, disk_bytes=DISK_BYTES)
    spool, model = Spool(budget, max_bytes=10**6), BytesIO()
    for place, data in writes:
        if place is not None:
            place = min(place, spool.size_bytes)
            assert spool.seek(place) == model.seek(place)
        assert spool.write(data) == model.write(data)
        assert spool.tell() == model.tell()
    assert spool.failure is None
    assert spool.size_bytes == len(model.getvalue())
    assert asyncio.run(_all(spool, step)) == model.getvalue()
    spool.close()
    spool.close()
    assert (budget.free_bytes("memory"), budget.free_bytes("disk")) == (memory_bytes, DISK_BYTES)


async def _all(spool: Spool, step: int = 2**16) -> bytes:
    parts = []
    while data := await spool.read_next(step):
        assert len(data) <= step
        parts.append(data)
    return b"".join(parts)


def test_memory_is_shared_and_disk_takes_the_rest() -> None:
    budget = SpoolBudget(memory_bytes=1000, spool_memory_bytes=800, disk_bytes=DISK_BYTES)
    first, second = Spool(budget, max_bytes=10**6), Spool(budget, max_bytes=10**6)
    first.write(bytes(700))
    assert (budget.free_bytes("memory"), budget.free_bytes("disk")) == (300, DISK_BYTES)
    second.write(bytes(400))
    assert (budget.free_bytes("memory"), budget.free_bytes("disk")) == (300, DISK_BYTES - 400)
    first.write(bytes(101))
    assert (budget.free_bytes("memory"), budget.free_bytes("disk")) == (1000, DISK_BYTES - 1201)
    for spool in (first, second):
        spool.close()
    assert (budget.free_bytes("memory"), budget.free_bytes("disk")) == (1000, DISK_BYTES)


def test_beyond_its_bound_a_spool_drops_bytes_and_says_so() -> None:
    spool = Spool(SpoolBudget(), max_bytes=100)
    assert spool.write(bytes(100)) == 100
    assert spool.failure is None
    assert spool.write(b"x") == 1, "an encoder is never interrupted"
    assert spool.size_bytes == 100
    assert isinstance(spool.failure, InvalidInput)
    assert spool.failure.code == "output_too_long"


def test_beyond_the_budget_of_all_a_spool_is_refused() -> None:
    budget = SpoolBudget(memory_bytes=0, disk_bytes=1000)
    first, second = Spool(budget, max_bytes=10**6), Spool(budget, max_bytes=10**6)
    first.write(bytes(600))
    second.write(bytes(600))
    assert first.failure is None
    assert isinstance(second.failure, Overloaded)
    second.close()
    first.write(bytes(400))
    assert first.failure is None
    first.close()


def test_a_folder_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    spool_budget = SpoolBudget(memory_bytes=0, directory=str(tmp_path / "nowhere"))
    spool = Spool(spool_budget, max_bytes=10**6)
    spool.write(b"sound")
    assert isinstance(spool.failure, Unavailable)
    assert spool.failure.code == "temporary_files_failed"
    spool.close()
    assert spool_budget.free_bytes("disk") == 2 * 2**30
    assert "nowhere" not in str(spool.failure), "paths of the server are for its log"


def test_no_file_is_left_in_the_folder(tmp_path: Path) -> None:
    spool = Spool(SpoolBudget(memory_bytes=0, directory=str(tmp_path)), max_bytes=10**6)
    spool.write(b"sound")
    spool.close()
    assert not list(tmp_path.iterdir())


def test_what_is_written_after_the_end_is_dropped() -> None:
    """An encoder that hangs is left behind, and may come back when its request is over."""
    budget = SpoolBudget(memory_bytes=1000)
    spool = Spool(budget, max_bytes=1000)
    spool.close()
    spool.write(bytes(10))
    assert budget.free_bytes("memory") == 1000
    assert asyncio.run(_all(spool)) == b""


async def test_one_thread_writes_while_the_loop_reads() -> None:
    spool, piece = Spool(SpoolBudget(memory_bytes=50_000), max_bytes=10**7), bytes(range(256)) * 4
    writer = threading.Thread(target=lambda: [spool.write(piece) for _ in range(500)])
    writer.start()
    found = bytearray()
    while writer.is_alive() or spool.size_bytes > len(found):
        found += await spool.read_next(3000)
        await asyncio.sleep(0)
    writer.join()
    assert bytes(found) == piece * 500
    spool.close()


FULL_DISK = """
import asyncio, resource, signal
from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.speech.spool import Spool, SpoolBudget

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
budget = SpoolBudget(spool_memory_bytes=10, disk_bytes=1000)
for first, second in ((8, 100), (40, 40), (100, 8)):
    spool = Spool(budget, max_bytes=10**6)
    spool.write(bytes(first))
    spool.write(bytes(second))
    if isinstance(spool.failure, Unavailable):
        print(spool.failure.code)
    spool.close()
print(budget.free_bytes("disk"))
"""


def test_a_disk_that_takes_a_part_only_is_an_error_and_keeps_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["temporary_files_failed"] * 3 + ["1000"]


class _HangingFile(BytesIO):
    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, data: object) -> int:
        self.entered.set()
        self.released.wait(30)
        return super().write(data)  # type: ignore[arg-type]


def test_a_disk_that_hangs_holds_up_no_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the spool took is given back by the write itself, once it returns."""
    budget = SpoolBudget(memory_bytes=0, disk_bytes=1000)
    spool, file = Spool(budget, max_bytes=1000), _HangingFile()
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: file)
    writer = threading.Thread(target=spool.write, args=(bytes(100),))
    writer.start()
    file.entered.wait(30)
    spool.close()
    assert budget.free_bytes("disk") == 900
    file.released.set()
    writer.join()
    assert budget.free_bytes("disk") == 1000
    assert file.closed


async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    spool = Spool(SpoolBudget(memory_bytes=0), max_bytes=10**6)
    spool.write(bytes(range(200)))
    reading = asyncio.create_task(spool.read_next(100))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert await _all(spool) == bytes(range(200))
    spool.close()
