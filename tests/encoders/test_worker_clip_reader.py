"""The reader in processes of its own: what takes too much is refused, and the largest that is allowed is read."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from encoders.clip_files import encoded, hum

from chatterbox_api_core.errors import InvalidAudio, Unavailable
from chatterbox_api_core.model import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.worker_clip_reader import PyavClipReader

PATIENT = ClipLimits(deadline_s=60)


async def test_it_reads_what_the_reader_in_this_process_reads() -> None:
    clip = encoded("flac", hum(2.0, channels=2), rate_hz=24_000)
    async with PyavClipReader.open(processes=1) as reader:
        there = await reader.read(clip, limits=PATIENT)
    here = InProcessClipReader().decode(clip, limits=PATIENT)
    assert there.report == here.report
    assert there.pcm.rate_hz == here.pcm.rate_hz
    assert there.pcm.samples == here.pcm.samples


async def test_the_longest_clip_fits_into_its_memory_and_too_little_memory_is_told() -> None:
    clip = encoded("mp3", hum(299.5, rate_hz=48_000), rate_hz=48_000)
    clip += bytes(PATIENT.max_bytes - len(clip))
    async with PyavClipReader.open(processes=1) as reader:
        assert (await reader.read(clip, limits=PATIENT)).report.duration_s == pytest.approx(299.5, abs=0.1)
    async with PyavClipReader.open(processes=1, memory_bytes=48 * 2**20) as reader:
        with pytest.raises(InvalidAudio, match="reading it took too much memory") as caught:
            await reader.read(clip, limits=PATIENT)
        assert (caught.value.code, caught.value.field) == ("invalid_audio", "voice_file")
        short = encoded("wav", hum(2.0), rate_hz=24_000)
        assert (await reader.read(short, limits=PATIENT)).report.duration_s == pytest.approx(2.0)


@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "crashed"), (signal.SIGSTOP, "took longer than 1 s")])
async def test_a_process_that_dies_or_hangs_refuses_its_clip_alone(number: signal.Signals, words: str) -> None:
    long = encoded("mp3", hum(250.0, rate_hz=48_000), rate_hz=48_000)
    short = encoded("wav", hum(2.0), rate_hz=24_000)
    async with PyavClipReader.open(processes=1) as reader:
        (pid,) = reader.pids
        reading = asyncio.create_task(reader.read(long, limits=ClipLimits(deadline_s=1.0)))
        await asyncio.sleep(0.1)
        os.kill(pid, number)
        with pytest.raises(InvalidAudio, match=words):
            await reading
        assert (await reader.read(short, limits=PATIENT)).report.duration_s == pytest.approx(2.0)


async def test_a_reader_whose_process_does_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(Unavailable, match="The clip reader does not start"):
        async with PyavClipReader.open():
            pass
