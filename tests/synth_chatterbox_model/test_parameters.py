"""What a request may ask for works; what would harm the model is refused, and harms nothing."""

from __future__ import annotations

import copy
import math
from typing import Any, Final

import pytest
import torch

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.speech.parameters import check_parameters
from chatterbox_api_core.types import Capabilities
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request
from chatterbox_api_synth_chatterbox.models import MODELS, max_tokens

SPECS: Final = [(name, spec) for name, model in MODELS.items() for spec in model.params]


def checked(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """As the service checks what comes in."""
    model = MODELS[name]
    declared = Capabilities(
        supports_cloning=True,
        languages=model.languages,
        sample_rate_hz=24_000,
        max_concurrency=1,
        max_chars=300,
        parameters=model.params,
    )
    return check_parameters(params, capabilities=declared)


def speak(engine: Engine, text: str = "Hello.", /, **params: Any) -> torch.Tensor:
    return engine.speak(Request(text, 1, params=params), None, lambda: None).samples


def with_own(engine: Engine, part: str) -> tuple[Engine, Any]:
    """An engine whose t3 or s3gen is its own, to plant faults in."""
    tts = copy.copy(engine.tts)
    setattr(tts, part, copy.deepcopy(getattr(tts, part)))
    return Engine(tts, engine.model), getattr(tts, part)


def test_the_declared_values_are_upstreams_own(engine: Engine) -> None:
    """Of chatterbox-tts 0.1.7; of another release, its own are taken, whatever is declared."""
    assert engine.parameters(Request("", 0)) == {spec.name: spec.default for spec in engine.model.params}


@pytest.mark.parametrize(
    ("model_name", "spec"),
    [pytest.param(name, spec, id=f"{name}-{spec.name}") for name, spec in SPECS if name != "multilingual"],
)
@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_both_ends_of_what_is_declared_work(engine: Engine, model_name: str, spec: Any, end: str) -> None:
    params = checked(model_name, {spec.name: getattr(spec, end)})
    assert params.keys() == {spec.name}
    assert torch.isfinite(speak(engine, "Hi", **params)).all()


def test_all_extremes_together_work(engine: Engine, model_name: str) -> None:
    for end in ("minimum", "maximum"):
        params = checked(model_name, {spec.name: getattr(spec, end) for spec in MODELS[model_name].params})
        assert torch.isfinite(speak(engine, "Hi", **params)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", "hot"),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", -1.0),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("min_p", 1.1),
        ("min_p", -0.1),
        ("cfg_weight", -0.1),
        ("cfg_weight", math.nan),
        ("exaggeration", 1e9),
        ("top_k", 0),
        ("top_k", 0.5),
        ("top_k", 10**9),
    ],
)
def test_values_beyond_are_refused_by_the_services_check(name: str, value: float) -> None:
    models = [model for model, spec in SPECS if spec.name == name]
    assert models
    for model in models:
        with pytest.raises(InvalidInput) as caught:
            checked(model, {name: value})
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 0.0), ("repetition_penalty", 0.0), ("top_p", -0.5), ("min_p", 1.1), ("top_k", 0)],
)
def test_values_beyond_are_refused_by_the_engine_itself(engine: Engine, name: str, value: float) -> None:
    if name in {spec.name for spec in engine.model.params}:
        with pytest.raises(ValueError, match=rf"{name}|penalty"):
            speak(engine, "Hello.", **{name: value})
    else:
        assert torch.equal(speak(engine, "Hello.", **{name: value}), speak(engine)), (
            "what a model does not know is ignored"
        )


@pytest.mark.parametrize("name", ["temperature", "cfg_weight", "exaggeration"])
def test_what_is_no_number_is_never_drawn_from(engine: Engine, name: str) -> None:
    if name in {spec.name for spec in engine.model.params}:
        expected = speak(engine)
        with pytest.raises((FloatingPointError, ValueError)):
            speak(engine, "Hello.", **{name: math.nan})
        assert torch.equal(speak(engine), expected)


@pytest.mark.parametrize("part", ["t3", "s3gen"])
def test_broken_weights_are_an_error_and_not_a_sound(engine: Engine, part: str) -> None:
    broken, module = with_own(engine, part)
    with torch.no_grad():
        next((module.speech_head if part == "t3" else module.flow.encoder_proj).parameters())[7] = math.nan
    with pytest.raises(FloatingPointError):
        speak(broken)


@pytest.mark.parametrize("model_name", ["multilingual", "original"])
def test_marks_that_are_drawn_do_not_reach_s3gen(endless: Engine) -> None:
    """Ids from 6561 on; upstream's multilingual model fails on them with an IndexError."""
    marking, t3 = with_own(endless, "t3")
    with torch.no_grad():
        t3.speech_head.weight[7000:] = t3.speech_head.weight[: 8194 - 7000]
    speech = marking.speak(Request("Hi", 3), None, lambda: None)
    sounds = [token for token in speech.tokens if token < 6561]
    assert 0 < len(sounds) < len(speech.tokens)
    assert len(speech.samples) == 960 * len(sounds)


def test_text_of_more_positions_than_there_are_is_refused(engine: Engine) -> None:
    expected = speak(engine)
    with pytest.raises(InvalidInput) as caught:
        speak(engine, "a" * 3000)
    assert caught.value.code == "text_too_long"
    assert "the model takes at most 2048" in caught.value.message
    assert torch.equal(speak(engine), expected)


def test_text_of_as_many_positions_as_there_are_works(endless: Engine, model_name: str) -> None:
    marks = 2 if model_name == "multilingual" else 1  # a full stop, and the language
    longest = "a" * (2048 - marks)
    steps = 0

    def stop_soon() -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        endless.speak(Request(longest, 1), None, stop_soon)
    with pytest.raises(InvalidInput):
        endless.speak(Request(longest + "a", 1), None, stop_soon)


@pytest.mark.parametrize("model_name", ["multilingual"])
@pytest.mark.parametrize("text", ["?", "I", "Ok"])
def test_brief_texts_do_not_trip_the_analyser(engine: Engine, text: str) -> None:
    """Upstream's looks at all but the last five tokens of the text, and fails where there are no others."""
    for seed in range(3):
        assert len(engine.speak(Request(text, seed), None, lambda: None).samples)


STRANGE: Final = (
    "…",
    "\u200b",
    "😀😀😀",
    "[START][STOP][UNK][SPACE]",
    "[cj_a][de]<|endoftext|>",
    "\x00\x01\x1f",
    "\ud7ff\ue000\U0010ffff",
    "مرحبا",
    "e\u0301" * 20,
)


@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_strange_texts_can_be_spoken(engine: Engine, text: str) -> None:
    assert torch.isfinite(speak(engine, text)).all()


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_all_languages_can_be_spoken(engine: Engine) -> None:
    heads: dict[str, int] = {}
    for language in MODELS["multilingual"].languages:
        heads[language.tag] = int(engine.text_tokens(Request("1", 1, language.tag))[0, 1])
    assert len(set(heads.values())) == 23, "each has a mark of its own before the text"


def test_the_bound_of_a_text_grows_with_it() -> None:
    assert max_tokens("") == 100
    assert max_tokens("Hello, my friend.") == 270
    assert max_tokens("a" * 300) == max_tokens("a" * 3000) == 1000


def test_an_engines_longest_text_is_bounded_by_upstreams_40_seconds() -> None:
    for model in MODELS.values():
        assert max_tokens("a" * model.max_chars) <= 1000
