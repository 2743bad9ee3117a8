"""The reader in processes of its own: what takes too much is refused, and the largest that is allowed is read."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
from encoders.clip_files import encoded, hum

from chatterbox_api_core.errors import InvalidAudio, Overloaded, Unavailable
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.worker_clip_reader import PyavClipReader
from chatterbox_api_worker.pool import WorkerPool

PATIENT = ClipLimits(deadline_s=60)


@cache
def long() -> bytes:
    """A clip that takes a while."""
    return encoded("mp3", hum(120.0, sample_rate_hz=48_000), sample_rate_hz=48_000)


async def test_it_reads_what_the_reader_in_this_process_reads() -> None:
    clip = encoded("flac", hum(2.0, channels=2), sample_rate_hz=24_000)
    async with PyavClipReader.open(processes=1) as reader:
        there = await reader.read(clip, limits=PATIENT)
    here = InProcessClipReader().decode(clip, limits=PATIENT)
    assert there.report == here.report
    assert there.pcm.sample_rate_hz == here.pcm.sample_rate_hz
    assert there.pcm.samples == here.pcm.samples


async def test_the_longest_clip_fits_into_its_memory_and_too_little_memory_is_told() -> None:
    clip = encoded("mp3", hum(299.5, sample_rate_hz=48_000), sample_rate_hz=48_000)
    clip += bytes(PATIENT.max_bytes - len(clip))
    async with PyavClipReader.open(processes=1) as reader:
        assert (await reader.read(clip, limits=PATIENT)).report.duration_s == pytest.approx(299.5, abs=0.1)
    async with PyavClipReader.open(processes=1, memory_bytes=48 * 2**20) as reader:
        with pytest.raises(InvalidAudio, match="reading it took too much memory") as caught:
            await reader.read(clip, limits=PATIENT)
        assert (caught.value.code, caught.value.field) == ("invalid_audio", "clip")
        short = encoded("wav", hum(2.0), sample_rate_hz=24_000)
        assert (await reader.read(short, limits=PATIENT)).report.duration_s == pytest.approx(2.0)


@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "crashed"), (signal.SIGSTOP, "took longer than 1 s")])
async def test_a_process_that_dies_or_hangs_refuses_its_clip_alone(number: signal.Signals, words: str) -> None:
    short = encoded("wav", hum(2.0), sample_rate_hz=24_000)
    async with PyavClipReader.open(processes=1) as reader:
        (pid,) = reader.pids
        limits = PATIENT if number is signal.SIGKILL else ClipLimits(deadline_s=1.0)
        idle_s = cpu_s(pid)
        reading = asyncio.create_task(reader.read(long(), limits=limits))
        async with asyncio.timeout(20):
            while cpu_s(pid) < idle_s + 0.03:
                await asyncio.sleep(0.005)
        os.kill(pid, number)
        with pytest.raises(InvalidAudio, match=words):
            await reading
        assert (await reader.read(short, limits=PATIENT)).report.duration_s == pytest.approx(2.0)


def cpu_s(pid: int) -> float:
    """What a process has worked, in steps of 10 ms."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


async def test_a_process_that_does_not_respond_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence alone ends no reading, for a decoder says nothing before it is done; a ping without an answer does."""
    pools, make = [], WorkerPool.__init__

    def making(pool: WorkerPool, *args: Any, **named: Any) -> None:
        make(pool, *args, **named)
        pools.append(pool)

    monkeypatch.setattr(WorkerPool, "__init__", making)
    async with PyavClipReader.open(processes=1) as reader:
        (pid,) = reader.pids
        reading = asyncio.create_task(reader.read(long(), limits=PATIENT))
        await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await reader.check()
        with pytest.raises(InvalidAudio, match="the decoder hung on it"):
            await reading


async def test_secrets_of_the_service_are_not_where_strangers_bytes_are_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("R2_SECRET_ACCESS_KEY", "R2_ACCESS_KEY_ID", "API_KEYS", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    async with PyavClipReader.open(processes=1) as reader:
        (pid,) = reader.pids
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"MALLOC_ARENA_MAX=1" in environment
    assert b"secret" not in environment


async def test_clips_that_wait_have_a_bound_in_bytes() -> None:
    large = encoded("wav", hum(2.0), sample_rate_hz=24_000)
    large += bytes(PATIENT.max_bytes - len(large))
    small = encoded("wav", hum(1.5), sample_rate_hz=24_000)
    async with PyavClipReader.open(processes=1) as reader:
        readings = [asyncio.create_task(reader.read(large, limits=PATIENT)) for _ in range(20)]
        await asyncio.sleep(0)
        assert (await reader.read(small, limits=PATIENT)).report.duration_s == pytest.approx(1.5)
        done = await asyncio.gather(*readings, return_exceptions=True)
        refused = [each for each in done if isinstance(each, BaseException)]
        assert [type(each) for each in refused] == [Overloaded] * 8
        assert (await reader.read(large, limits=PATIENT)).report.duration_s == pytest.approx(2.0)


async def test_a_reader_whose_process_does_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(Unavailable, match="The clip reader does not start"):
        async with PyavClipReader.open():
            pass
