"""The Synthesizer around the real process with quick jobs: checks, voices, failures in a row, the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from chatterbox_api_core.errors import (
    ChatterboxError,
    ConfigurationError,
    InvalidAudio,
    InvalidInput,
    NotFound,
    SynthesisFailed,
    Unavailable,
)
from chatterbox_api_core.types import Pcm, Utterance, VoicePrompt
from chatterbox_api_synth_chatterbox.synthesizer import ChatterboxSynthesizer
from chatterbox_api_worker.spec import Timeouts

SEEDED: Final = Utterance("Hello there.", seed=1)
SILENT, FAILING, DEADLY, HANGING = 2.0, 3.0, 4.0, 5.0
"""The first sample of clips that come to such an end; see `quick_site`."""

Open = Callable[..., AbstractAsyncContextManager[ChatterboxSynthesizer]]


@pytest.fixture
def opened(tmp_path: Path, environment: dict[str, str]) -> Open:
    def open_(**changes: Any) -> AbstractAsyncContextManager[ChatterboxSynthesizer]:
        return ChatterboxSynthesizer.open(**{"folder": str(tmp_path), "environment": environment} | changes)

    return open_


@pytest.fixture
def jobs(tmp_path: Path) -> Callable[[], list[str]]:
    """What has begun in the process."""
    path = tmp_path / "jobs"
    return lambda: path.read_text().splitlines() if path.exists() else []


class Clip:
    """A voice that counts how often it is fetched."""

    def __init__(self, key: str = "a", *, first: float = 0.5) -> None:
        self.fetched, self._pcm = 0, Pcm.from_floats([first, *map(float, key.encode())], sample_rate_hz=16_000)
        self.prompt = VoicePrompt(key * 64, self._fetch)

    async def _fetch(self) -> Pcm:
        self.fetched += 1
        await asyncio.sleep(0)
        return self._pcm


async def say(engine: ChatterboxSynthesizer, utterance: Utterance = SEEDED, clip: Clip | None = None) -> list[float]:
    sound = [list(pcm.samples) async for pcm in engine.speak(utterance, None if clip is None else clip.prompt)]
    return sound[0]


async def fails(engine: ChatterboxSynthesizer, text: str, clip: Clip | None = None) -> ChatterboxError:
    with pytest.raises(ChatterboxError) as caught:
        await say(engine, Utterance(text), clip)
    return caught.value


# What is refused


REFUSED: Final = {
    "empty": (Utterance(""), "text", "empty_input"),
    "blank": (Utterance(" \n "), "text", "empty_input"),
    "too long": (Utterance("x" * 301), "text", "text_too_long"),
    "half a character": (Utterance("a\ud800"), "text", "invalid_input"),
    "language": (Utterance("Hallo", language="de"), "language", "unsupported_language"),
    "no language": (Utterance("Hallo", language="x" * 999), "language", "unsupported_language"),
    "seed": (Utterance("Hello", seed=-1), "seed", "invalid_seed"),
    "big seed": (Utterance("Hello", seed=2**63), "seed", "invalid_seed"),
    "too hot": (Utterance("Hello", parameters={"temperature": 99.0}), "temperature", "invalid_parameter"),
    "too cold": (Utterance("Hello", parameters={"temperature": 0.0}), "temperature", "invalid_parameter"),
    "no number": (Utterance("Hello", parameters={"cfg_weight": float("nan")}), "cfg_weight", "invalid_parameter"),
    "words": (Utterance("Hello", parameters={"exaggeration": "much"}), "exaggeration", "invalid_parameter"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_would_harm_is_refused_before_any_process_is_started(
    what: str, opened: Open, jobs: Callable[[], list[str]]
) -> None:
    utterance, field, code = REFUSED[what]
    clip = Clip()
    async with opened() as engine:
        for _ in range(4):
            with pytest.raises(InvalidInput) as caught:
                await say(engine, utterance, clip)
            assert (caught.value.field, caught.value.code) == (field, code)
        assert engine.pid is None
        assert clip.fetched == 0
        await engine.ready()
    assert jobs() == []


async def test_what_is_asked_reaches_the_model(opened: Open, jobs: Callable[[], list[str]]) -> None:
    """Each part of a request matters to the result, and the longest text is taken."""
    variants = [
        (SEEDED, None),
        (Utterance("Hello there!", seed=1), None),
        (Utterance("Hello there.", seed=2), None),
        (Utterance("Hello there.", seed=1, language="de"), None),
        (Utterance("Hello there.", seed=1, parameters={"temperature": 0.5, "top_k": 3, "unknown": 1}), None),
        (SEEDED, Clip("a")),
        (SEEDED, Clip("b")),
        (Utterance("x" * 150, seed=1), None),
    ]
    async with opened(model="multilingual", language="fr") as engine:
        sounds = [tuple(await say(engine, utterance, clip)) for utterance, clip in variants]
        assert len(set(sounds)) == len(variants)
        assert tuple(await say(engine, Utterance("Hello there.", seed=1, language="fr"), None)) == sounds[0]
        unseeded = [tuple(await say(engine, Utterance("Hello there."), None)) for _ in range(2)]
        assert len({*unseeded, *sounds}) == len(variants) + 2
    assert jobs().count("prepare") == 2


async def test_a_language_it_does_not_speak_is_refused_at_the_start(opened: Open) -> None:
    with pytest.raises(ConfigurationError, match="CHATTERBOX_LANGUAGE") as caught:
        async with opened(language="de"):
            pass
    assert caught.value.field == "CHATTERBOX_LANGUAGE"


# Voices


async def test_a_voice_is_fetched_and_analysed_once_for_eight_first_requests(
    opened: Open, jobs: Callable[[], list[str]]
) -> None:
    clip = Clip()
    async with opened(concurrent=8) as engine:
        sounds = await asyncio.gather(*(say(engine, SEEDED, clip) for _ in range(8)))
        assert sounds == [sounds[0]] * 8
        assert await say(engine, SEEDED, clip) == sounds[0]
    assert clip.fetched == 1
    assert jobs().count("prepare") == 1


async def test_50_requests_of_10_voices_sound_as_each_does_alone(opened: Open) -> None:
    clips = {key: Clip(key) for key in "abcdefghij"}
    requests = [(Utterance(f"Number {number}.", seed=number), clips["abcdefghij"[number % 10]]) for number in range(50)]
    async with opened(concurrent=8) as engine:
        places = asyncio.Semaphore(8)

        async def placed(utterance: Utterance, clip: Clip) -> list[float]:
            async with places:
                return await say(engine, utterance, clip)

        together = await asyncio.gather(*(placed(*request) for request in requests))
        alone = [await say(engine, *request) for request in requests[::5]]
        assert together[::5] == alone
        assert len({tuple(sound) for sound in together}) == 50
    assert [clip.fetched for clip in clips.values()] == [1] * 10


async def test_voices_outlast_the_process(opened: Open, jobs: Callable[[], list[str]]) -> None:
    clip = Clip()
    async with opened(timeouts=Timeouts(idle_s=0.1)) as engine:
        sound = await say(engine, SEEDED, clip)
        pid = engine.pid
        assert pid is not None
        async with asyncio.timeout(10):
            while psutil.pid_exists(pid):
                await asyncio.sleep(0.02)
        assert await say(engine, SEEDED, clip) == sound
    assert clip.fetched == 1
    assert jobs().count("load") == 2
    assert jobs().count("prepare") == 1


async def test_a_clip_that_cannot_be_fetched_fails_as_it_says(opened: Open) -> None:
    async def gone() -> Pcm:
        raise NotFound("It is gone.")

    async with opened() as engine:
        for _ in range(3):
            with pytest.raises(NotFound):
                async for _ in engine.speak(SEEDED, VoicePrompt("b" * 64, gone)):
                    pass
        await engine.ready()
        assert engine.pid is None


async def test_when_all_leave_while_a_voice_is_analysed_the_work_is_called_off(
    opened: Open, jobs: Callable[[], list[str]]
) -> None:
    """Nothing is left of it, and the voice can be analysed later."""
    clip = Clip()
    async with opened() as engine:
        await say(engine)
        asked = [asyncio.create_task(say(engine, SEEDED, clip)) for _ in range(3)]
        async with asyncio.timeout(10):
            while "prepare" not in jobs():
                await asyncio.sleep(0.001)
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
        assert all(task.cancelled() for task in asked)
        assert engine.conditioning.running == 0
        assert engine.conditioning.size_bytes == 0
        assert len(await say(engine, SEEDED, clip)) == 4
        assert engine.conditioning.size_bytes == 32


# Failures in a row


async def test_three_failures_in_a_row_say_so_and_a_success_heals(opened: Open) -> None:
    async with opened() as engine:
        for word in ("raise", "oom"):
            assert isinstance(await fails(engine, f"[[{word}@1]]"), SynthesisFailed)
            await engine.ready()
        await fails(engine, "[[kill@1]]")
        with pytest.raises(Unavailable, match="3 times in a row") as caught:
            await engine.ready()
        assert caught.value.code == "engine_failing"
        await say(engine)
        await engine.ready()


async def test_what_the_user_did_wrong_counts_for_nothing(opened: Open) -> None:
    async with opened() as engine:
        for _ in range(3):
            assert isinstance(await fails(engine, "[[input@1]]"), InvalidInput)
            assert isinstance(await fails(engine, "Hello.", Clip("s", first=SILENT)), InvalidAudio)
        await engine.ready()


async def test_a_failed_analysis_counts_once_however_many_wait_for_it(opened: Open) -> None:
    async with opened() as engine:
        for first in (FAILING, DEADLY):
            clip = Clip("f", first=first)
            answers = await asyncio.gather(*(say(engine, SEEDED, clip) for _ in range(8)), return_exceptions=True)
            assert {type(each) for each in answers} == {SynthesisFailed}
            assert clip.fetched == 1
            await engine.ready()
        await fails(engine, "Hello.", Clip("f", first=FAILING))
        with pytest.raises(Unavailable, match="3 times"):
            await engine.ready()


async def test_an_analysis_that_hangs_is_ended(opened: Open) -> None:
    async with opened(timeouts=Timeouts(stall_s=1)) as engine:
        error = await fails(engine, "Hello.", Clip("h", first=HANGING))
        assert error.code == "engine_hung"
        assert len(await say(engine, SEEDED, Clip("g"))) == 4


async def test_a_model_that_cannot_be_loaded_is_not_ready(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "loading").write_text("fail")
    async with opened(preload=True, timeouts=Timeouts(retry_s=60)) as engine:
        error = await fails(engine, "Hello.")
        with pytest.raises(Unavailable) as caught:
            await engine.ready()
        assert isinstance(error, ConfigurationError)
        assert caught.value.code == error.code == "weights_missing"
        assert caught.value.remedy == "Put them there."


# Leaving and closing


async def test_leaving_returns_at_once_and_frees_the_engine(opened: Open, jobs: Callable[[], list[str]]) -> None:
    async with opened() as engine:
        await say(engine)
        text = "y" * 300
        for _ in range(3):
            before = len(jobs())
            sound = engine.speak(Utterance(text), None)
            task = asyncio.create_task(anext(sound))
            async with asyncio.timeout(10):
                while len(jobs()) == before:
                    await asyncio.sleep(0.001)
            began_s = time.monotonic()
            task.cancel()
            await asyncio.wait((task,))
            await sound.aclose()
            assert time.monotonic() - began_s < 0.5
            assert task.cancelled()
        async with aclosing(engine.speak(SEEDED, None)) as sound:
            await anext(sound)
        assert engine.supervisor.worker.open_jobs == 0
        await engine.ready()


@pytest.mark.parametrize("preload", [False, True])
async def test_opening_and_closing_at_once_leaves_nothing(preload: bool, opened: Open) -> None:
    for wait in (0, 1):
        async with opened(preload=preload):
            for _ in range(wait):
                await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_preloading_loads_before_the_first_request(opened: Open, jobs: Callable[[], list[str]]) -> None:
    async with opened(preload=True) as engine:
        async with asyncio.timeout(10):
            while "load" not in jobs():
                await asyncio.sleep(0.01)
        await say(engine)
    assert jobs().count("load") == 1


async def test_closing_tells_those_who_wait_for_a_clip_a_voice_or_a_turn(opened: Open) -> None:
    fetching = asyncio.Event()

    async def for_ever() -> Pcm:
        fetching.set()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async with opened() as engine:
        stuck = asyncio.create_task(anext(engine.speak(SEEDED, VoicePrompt("e" * 64, for_ever))))
        asked = [asyncio.create_task(say(engine, Utterance("y" * 300), clip)) for clip in (Clip(), None, None)]
        await fetching.wait()
        await asyncio.sleep(0.2)
    answers = await asyncio.gather(stuck, *asked, return_exceptions=True)
    assert [type(each) for each in answers] == [Unavailable] * 4
    assert asyncio.all_tasks() == {asyncio.current_task()}
