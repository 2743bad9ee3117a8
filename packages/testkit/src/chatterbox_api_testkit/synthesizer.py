"""The contract of Synthesizer in two classes: what holds for every engine, and what a listener hears."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing

import pytest
import pytest_asyncio

from chatterbox_api_core.errors import NotFound
from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_core.types import Pcm, Utterance, VoicePrompt
from chatterbox_api_testkit.contract import Contract
from chatterbox_api_testkit.sounds import collect, level, median_pitch_hz, prompt, voice_like

__all__ = ["SynthesizerContract", "SynthesizerMechanicsContract"]

SENTENCE = "The morning is bright and the birds are singing."
LONGER = f"{SENTENCE} {SENTENCE} {SENTENCE}"


class SynthesizerMechanicsContract(Contract):
    """What every engine must do: its declarations hold, voices do not mix, and it stops when it is told to.

    The tests require sound and say nothing about its quality. An engine whose sound means nothing, such as a model with
    random weights, inherits this class; every other engine inherits SynthesizerContract.

    Define `open`, and mark the class `pytest.mark.asyncio`. For an engine that starts slowly, define a fixture `engine`
    with a wider scope instead, and mark the class with the same `loop_scope`.
    """

    def open(self) -> AbstractAsyncContextManager[Synthesizer]:
        """Open an engine for one test."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def engine(self) -> AsyncGenerator[Synthesizer, None]:
        """The engine of one test."""
        async with self.open() as engine:
            yield engine

    async def test_capabilities_are_plausible_and_constant(self, engine: Synthesizer) -> None:
        declared = engine.capabilities
        assert 8_000 <= declared.sample_rate_hz <= 48_000
        assert declared.max_concurrency >= 1
        assert declared.max_chars >= 50
        assert declared.speed[0] <= 1.0 <= declared.speed[1]
        tags = [language.tag for language in declared.languages]
        assert len(tags) == len(set(tags))
        assert engine.capabilities == declared, "capabilities change while the engine is open"

    async def test_is_ready_once_open(self, engine: Synthesizer) -> None:
        assert await engine.ready() is None  # type: ignore[func-returns-value]

    async def test_yields_numbers_at_the_declared_rate(self, engine: Synthesizer) -> None:
        sound = await collect(engine.speak(Utterance(SENTENCE), None))
        assert sound.sample_rate_hz == engine.capabilities.sample_rate_hz
        assert all(math.isfinite(value) for value in sound.samples)

    async def test_takes_text_of_the_declared_length(self, engine: Synthesizer) -> None:
        text = ("word " * engine.capabilities.max_chars)[: engine.capabilities.max_chars]
        assert (await collect(engine.speak(Utterance(text), None))).duration_s > 1

    async def test_speaks_the_languages_that_it_declares(self, engine: Synthesizer) -> None:
        for language in engine.capabilities.languages[:: max(1, len(engine.capabilities.languages) // 5)]:
            sound = await collect(engine.speak(Utterance("1 2 3 4 5", language=language.tag), None))
            assert sound.duration_s > 0.2, language

    async def test_takes_a_prompt_and_keeps_it_warm(self, engine: Synthesizer) -> None:
        """A second utterance in the same voice does not fetch the clip again."""
        fetched = 0
        clip = voice_like(150, 6)

        async def fetch() -> Pcm:
            nonlocal fetched
            fetched += 1
            return clip

        for _ in range(2):
            await collect(engine.speak(Utterance(SENTENCE), VoicePrompt("a" * 64, fetch)))
        assert fetched <= 1

    async def test_a_prompt_that_cannot_be_fetched_fails_as_it_says(self, engine: Synthesizer) -> None:
        async def fetch() -> Pcm:
            raise NotFound("gone")

        with pytest.raises(NotFound):
            await collect(engine.speak(Utterance(SENTENCE), VoicePrompt("b" * 64, fetch)))
        assert (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s > 0.5

    async def test_voices_do_not_mix_at_full_concurrency(self, engine: Synthesizer) -> None:
        """Each voice has the same duration, level and pitch alone and beside others."""
        count = engine.capabilities.max_concurrency
        prompts = [prompt(voice_like(90 * 3 ** (i / count), 6), key=f"{i:064x}") for i in range(count)]
        alone = [_measures(await self._spoken(engine, each)) for each in prompts]
        for _ in range(2):
            together = await asyncio.gather(*(self._spoken(engine, each) for each in prompts))
            for (duration_s, loudness, pitch_hz), sound in zip(alone, together, strict=True):
                found = _measures(sound)
                assert found[0] == pytest.approx(duration_s, rel=0.02)
                assert found[1] == pytest.approx(loudness, rel=0.05)
                assert found[2] == pytest.approx(pitch_hz, rel=0.05)

    async def _spoken(self, engine: Synthesizer, voice: VoicePrompt) -> Pcm:
        return await collect(engine.speak(Utterance(SENTENCE, seed=1), voice))

    async def test_closing_stops_the_work(self, engine: Synthesizer) -> None:
        """Within 0.5 s the engine is free again, for as many concurrent calls as it declares."""
        for _ in range(2):
            sounds = [engine.speak(Utterance(LONGER), None) for _ in range(engine.capabilities.max_concurrency)]
            for sound in sounds:
                await anext(sound)
            began = time.perf_counter()
            for sound in sounds:
                await sound.aclose()
            assert time.perf_counter() - began < 0.5
        again = (collect(engine.speak(Utterance(SENTENCE), None)) for _ in range(engine.capabilities.max_concurrency))
        assert all(sound.duration_s > 0.5 for sound in await asyncio.gather(*again))

    async def test_cancelling_stops_the_work(self, engine: Synthesizer) -> None:
        async def speak_for_ever() -> None:
            while True:
                async with aclosing(engine.speak(Utterance(LONGER), None)) as sound:
                    async for _ in sound:
                        pass

        for delay_s in (0.0, 0.001, 0.01, 0.05):
            tasks = [asyncio.create_task(speak_for_ever()) for _ in range(engine.capabilities.max_concurrency)]
            await asyncio.sleep(delay_s)
            for task in tasks:
                task.cancel()
            done, pending = await asyncio.wait(tasks, timeout=0.5)
            assert not pending
            assert all(task.cancelled() for task in done)
        assert (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s > 0.5


@pytest.mark.asyncio
class SynthesizerContract(SynthesizerMechanicsContract):
    """What an engine with audible sound must do. Inherit it and define `open`.

        class TestMyEngine(SynthesizerContract):
            @asynccontextmanager
            async def open(self) -> AsyncGenerator[Synthesizer, None]:
                async with MyEngine.open() as engine:
                    yield engine

    An engine whose sound means nothing, such as a model with random weights, inherits the mechanics alone.
    """

    async def test_speaks_audibly_at_the_declared_rate(self, engine: Synthesizer) -> None:
        sound = await collect(engine.speak(Utterance(SENTENCE), None))
        assert sound.sample_rate_hz == engine.capabilities.sample_rate_hz
        assert sound.duration_s > 0.5
        assert all(math.isfinite(value) and abs(value) <= 1.5 for value in sound.samples)
        assert level(sound.samples) > 0.005

    async def test_longer_text_takes_longer(self, engine: Synthesizer) -> None:
        short = await collect(engine.speak(Utterance(SENTENCE), None))
        long = await collect(engine.speak(Utterance(LONGER), None))
        assert long.duration_s > 1.5 * short.duration_s

    async def test_markup_is_spoken_as_text(self, engine: Synthesizer) -> None:
        plain = await collect(engine.speak(Utterance("Hello there my friend"), None))
        marked = await collect(engine.speak(Utterance('<break time="9s"/>Hello <b>there</b> my friend'), None))
        assert marked.duration_s >= plain.duration_s * 0.9
        assert marked.duration_s < plain.duration_s + 9

    async def test_speed_is_honoured_in_the_declared_range(self, engine: Synthesizer) -> None:
        slowest, fastest = engine.capabilities.speed
        natural = (await collect(engine.speak(Utterance(LONGER), None))).duration_s
        for speed in {max(slowest, 0.6), slowest, min(fastest, 1.8), fastest} - {1.0}:
            spoken = (await collect(engine.speak(Utterance(LONGER, speed=speed), None))).duration_s
            assert spoken == pytest.approx(natural / speed, rel=0.2), f"at speed {speed}"

    async def test_a_low_and_a_high_clip_sound_different(self, engine: Synthesizer) -> None:
        low = await self._spoken(engine, prompt(voice_like(90, 6), key="c" * 64))
        high = await self._spoken(engine, prompt(voice_like(250, 6), key="d" * 64))
        assert median_pitch_hz(high) > 1.2 * median_pitch_hz(low)


def _measures(sound: Pcm) -> tuple[float, float, float]:
    """Duration in seconds, level, and pitch in hertz."""
    return sound.duration_s, level(sound.samples), median_pitch_hz(sound)
