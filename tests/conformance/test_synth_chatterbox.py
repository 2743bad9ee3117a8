"""Chatterbox keeps the contract's mechanics, with small random models in its process; of their sound nobody can tell.

One process serves all tests of a class, since it takes seconds to start.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio
from support.tiny_chatterbox import written_weights

from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_core.types import Utterance
from chatterbox_api_synth_chatterbox.synthesizer import ChatterboxSynthesizer
from chatterbox_api_testkit import SynthesizerMechanicsContract
from chatterbox_api_testkit.contract import Contract
from chatterbox_api_testkit.sounds import collect, prompt, voice_like

TINY = Path(__file__).parents[1] / "support/tiny_site"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of models that end their speech after 40 tokens, which is 1.6 s."""
    return written_weights(tmp_path_factory.mktemp("weights"), ends_at=40)


def opened(weights: Path, model: str) -> AbstractAsyncContextManager[ChatterboxSynthesizer]:
    return ChatterboxSynthesizer.open(
        model=model,
        folder=str(weights / model),
        device="cpu",
        concurrent=2,
        environment={
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(TINY), os.environ.get("PYTHONPATH")))),
        },
    )


class Shared(Contract):
    """One engine for all tests of a class."""

    model: ClassVar[str]

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    async def engine(self, request: pytest.FixtureRequest, weights: Path) -> AsyncGenerator[Synthesizer, None]:
        async with opened(weights, request.cls.model) as engine:
            yield engine


@pytest.mark.asyncio(loop_scope="class")
class TestOriginal(Shared, SynthesizerMechanicsContract):  # type: ignore[misc]  # its `engine` is of a wider scope
    model = "original"

    async def test_two_voices_at_once_sound_as_each_alone_sample_for_sample(self, engine: Synthesizer) -> None:
        voices = [prompt(voice_like(hz, 2), key=f"{hz:064}") for hz in (100, 200)]

        async def said(number: int) -> bytes:
            return bytes((await collect(engine.speak(Utterance("Hello.", seed=5), voices[number]))).samples)

        alone = (await said(0), await said(1))
        assert alone[0] != alone[1]
        together = await asyncio.gather(said(0), said(1), said(1), said(0))
        assert tuple(together) == (*alone, *reversed(alone))


@pytest.mark.asyncio(loop_scope="class")
class TestMultilingual(Shared):
    """The parts in which it differs from the original."""

    model = "multilingual"

    test_capabilities_are_plausible_and_constant = (
        SynthesizerMechanicsContract.test_capabilities_are_plausible_and_constant
    )
    test_speaks_the_languages_that_it_declares = SynthesizerMechanicsContract.test_speaks_the_languages_that_it_declares
    test_yields_numbers_at_the_declared_rate = SynthesizerMechanicsContract.test_yields_numbers_at_the_declared_rate
    test_takes_text_of_the_declared_length = SynthesizerMechanicsContract.test_takes_text_of_the_declared_length
    test_takes_a_prompt_and_keeps_it_warm = SynthesizerMechanicsContract.test_takes_a_prompt_and_keeps_it_warm


@pytest.mark.asyncio(loop_scope="class")
class TestTurbo(Shared):
    """The parts in which it differs from the original; its planted end does not suit long texts."""

    model = "turbo"

    test_capabilities_are_plausible_and_constant = (
        SynthesizerMechanicsContract.test_capabilities_are_plausible_and_constant
    )
    test_yields_numbers_at_the_declared_rate = SynthesizerMechanicsContract.test_yields_numbers_at_the_declared_rate
    test_takes_a_prompt_and_keeps_it_warm = SynthesizerMechanicsContract.test_takes_a_prompt_and_keeps_it_warm
