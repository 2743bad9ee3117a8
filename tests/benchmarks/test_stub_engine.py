"""The stub engine keeps the contract of an engine, and takes the time that it is told to take."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from benchmarks.stub_engine.alarm import wait_until
from benchmarks.stub_engine.loop_log import logging_to
from benchmarks.stub_engine.plugin import plugin
from benchmarks.stub_engine.synthesizer import StubSynthesizer, StubTiming
from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_core.types import Pcm, Utterance
from chatterbox_api_testkit import SynthesizerMechanicsContract
from chatterbox_api_testkit.sounds import level, prompt, sine

TEXT = Utterance("The quick brown fox.")


class TestStubSynthesizer(SynthesizerMechanicsContract):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Synthesizer, None]:
        settings = {"STUB_SLOTS": "3", "STUB_DELAY_MS": "5", "STUB_PIECE_MS": "100", "STUB_PREPARE_MS": "5"}
        async with plugin.open(settings) as engine:
            yield engine


async def test_waits_end_on_time_whatever_else_is_waited_for() -> None:
    """The best of many: a busy machine may delay any one of them."""
    late = []
    for number in range(20):
        due_s = time.monotonic() + 0.0123 + 0.0001 * number
        await asyncio.gather(wait_until(due_s), wait_until(due_s - 0.005))
        late.append(time.monotonic() - due_s)
    assert min(late) >= 0
    assert min(late) < 0.0005
    began_s = time.monotonic()
    await wait_until(began_s - 1)
    assert time.monotonic() - began_s < 0.5


async def test_a_wait_can_be_cancelled() -> None:
    before = psutil.Process().num_fds()
    waiting = [asyncio.create_task(wait_until(time.monotonic() + 60)) for _ in range(10)]
    await asyncio.sleep(0.01)
    for each in waiting:
        each.cancel()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended)
    assert psutil.Process().num_fds() == before, "its timers are closed"


async def timed(engine: StubSynthesizer) -> list[tuple[float, Pcm]]:
    """The pieces, and when each came."""
    began_s = time.perf_counter()
    return [(time.perf_counter() - began_s, pcm) async for pcm in engine.speak(TEXT, None)]


async def test_it_waits_before_its_first_sound_and_between_its_pieces() -> None:
    engine = StubSynthesizer(StubTiming(delay_s=0.08, piece_s=0.5, pieces_per_s=20, sound_s=2.2))
    pieces = await timed(engine)
    assert [round(pcm.duration_s, 3) for _, pcm in pieces] == [0.5, 0.5, 0.5, 0.5, 0.2]
    for number, (at_s, _) in enumerate(pieces):
        assert at_s >= 0.08 + 0.05 * number - 0.001
    assert engine.calls == 1
    assert engine.planned_s == pytest.approx(0.28)


async def test_it_works_as_long_as_its_sound_asks_for() -> None:
    engine = StubSynthesizer(StubTiming(delay_s=0.0, delay_s_per_s=0.05, sound_s_per_char=0.1))
    ((at_s, pcm),) = await timed(engine)
    assert pcm.duration_s == pytest.approx(2.0)
    assert at_s >= 0.099


async def test_an_hour_of_sound_takes_no_memory_and_is_heard() -> None:
    engine = StubSynthesizer(StubTiming(delay_s=0.0, piece_s=4.0, sound_s=3600))
    pieces = [pcm async for pcm in engine.speak(TEXT, None)]
    assert sum(pcm.duration_s for pcm in pieces) == pytest.approx(3600)
    assert len({id(pcm.samples.obj) for pcm in pieces}) == 1, "the pieces are views of one tile"
    assert level(pieces[-1].samples[:24_000]) > 0.05


async def test_a_voice_is_prepared_once() -> None:
    engine = StubSynthesizer(StubTiming(delay_s=0.0, prepare_s=0.1))
    voice = prompt(sine(200, 1), key="a" * 64)
    taken = []
    for _ in range(2):
        began_s = time.perf_counter()
        async for _ in engine.speak(TEXT, voice):
            pass
        taken.append(time.perf_counter() - began_s)
    assert taken[0] >= 0.099
    assert taken[1] < taken[0]
    assert engine.planned_s == pytest.approx(0.1)


async def test_a_stall_of_the_event_loop_is_written_down(tmp_path: Path) -> None:
    engine, path = StubSynthesizer(StubTiming()), tmp_path / "loop.jsonl"
    async with logging_to(path, engine):
        await asyncio.sleep(0.3)
        time.sleep(0.12)
        await asyncio.sleep(0.35)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) >= 2
    assert [line["at_s"] for line in lines] == sorted(line["at_s"] for line in lines)
    assert max(line["stall_s"] for line in lines) > 0.1
    assert lines[-1]["calls"] == 0


async def test_its_settings_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="STUB_SLOTS"):
        async with plugin.open({"STUB_SLOTS": "none"}):
            pass
