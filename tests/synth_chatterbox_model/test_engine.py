"""A request sounds as upstream makes it sound, whatever other requests there were."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import soundfile
import torch
from support.tiny_chatterbox import plant_end

from chatterbox_api_core.errors import ConfigurationError, InvalidInput
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request
from chatterbox_api_synth_chatterbox.models import MODELS, RATE_HZ

TEXT: Final = "Hello there, my friend."
SAMPLES_A_TOKEN: Final = 960


class Stopped(Exception):
    """What a checkpoint raises."""


def samples(engine: Engine, request: Request, voice: bytes | None = None) -> torch.Tensor:
    return engine.speak(request, voice, lambda: None).samples


def as_upstream(tts: Any, request: Request, **others: Any) -> torch.Tensor:
    """Upstream's own function from text to sound; it takes the voice for its own that it was last asked for."""
    language = {"language_id": request.language} if hasattr(tts, "get_supported_languages") else {}
    own = copy.deepcopy(tts.conds)
    torch.manual_seed(request.seed)
    try:
        sound: torch.Tensor = tts.generate(request.text, **language, **request.params, **others)[0]
    finally:
        tts.conds = own
    return sound


def clip_file(folder: Path, clip: torch.Tensor) -> str:
    soundfile.write(folder / "clip.wav", clip.numpy(), 24_000, subtype="FLOAT")
    return str(folder / "clip.wav")


def test_the_builtin_voice_sounds_as_upstream_has_it(engine: Engine, upstream: Any) -> None:
    request = Request(TEXT, 7)
    ours = samples(engine, request)
    assert torch.equal(ours, as_upstream(upstream, request))
    assert ours.dtype == torch.float32
    assert float(ours.std()) > 0.001


def test_a_cloned_voice_sounds_as_upstream_has_it(
    engine: Engine, upstream: Any, clip: Callable[..., torch.Tensor], tmp_path: Path
) -> None:
    request = Request(TEXT, 8)
    ours = samples(engine, request, engine.prepare(clip(), 24_000))
    assert torch.equal(ours, as_upstream(upstream, request, audio_prompt_path=clip_file(tmp_path, clip())))
    assert not torch.equal(ours, samples(engine, request))


def test_parameters_reach_the_sound_as_upstream_has_them(engine: Engine, upstream: Any, model_name: str) -> None:
    params = {"temperature": 1.1, "top_p": 0.9, "repetition_penalty": 1.3}
    if model_name != "turbo":
        params |= {"exaggeration": 1.2, "cfg_weight": 0.2, "min_p": 0.02}
    request = Request(TEXT, 9, params=params)
    ours = samples(engine, request)
    assert torch.equal(ours, as_upstream(upstream, request))
    assert not torch.equal(ours, samples(engine, Request(TEXT, 9)))


@pytest.mark.parametrize("model_name", ["multilingual"])
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Schöne Grüße!"),
        ("zh", "你好"),
        ("ko", "안녕하세요"),
        ("ru", "Добрый день"),
        ("he", "שלום"),
        ("hi", "नमस्ते"),
    ],
)
def test_each_language_sounds_as_upstream_has_it(engine: Engine, upstream: Any, language: str, text: str) -> None:
    request = Request(text, 10, language)
    assert torch.equal(samples(engine, request), as_upstream(upstream, request))


@pytest.mark.parametrize("model_name", ["original"])
def test_cfg_weight_0_speaks_where_upstream_fails(engine: Engine, upstream: Any) -> None:
    request = Request(TEXT, 11, params={"cfg_weight": 0.0})
    assert len(samples(engine, request))
    with pytest.raises(RuntimeError):
        as_upstream(upstream, request)


def test_a_token_is_960_samples(engine: Engine, model_name: str) -> None:
    speech = engine.speak(Request(TEXT, 12), None, lambda: None)
    silence = 3 if model_name == "turbo" else 0
    assert len(speech.samples) == SAMPLES_A_TOKEN * (len(speech.tokens) + silence)


def test_speech_of_no_tokens_is_no_sound(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "draw_tokens", lambda *_: ([6561, 6562], {}, torch.Generator()))
    assert not len(samples(engine, Request(TEXT, 0)))


def test_marks_among_the_tokens_are_not_sounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream's multilingual model hands them on to S3Gen, which has no such sounds."""
    request = Request(TEXT, 13)
    upstream_tokens = type(engine).draw_tokens

    def with_marks(*args: Any) -> tuple[list[int], dict[str, Any], torch.Generator]:
        tokens, reference, generator = upstream_tokens(engine, *args)
        return [6563, tokens[0], 8000, *tokens[1:], 6561], reference, generator

    clean = samples(engine, request)
    monkeypatch.setattr(engine, "draw_tokens", with_marks)
    assert torch.equal(samples(engine, request), clean)


def test_no_request_leaves_a_trace_in_another(
    engines: Callable[[str], Engine], clip: Callable[..., torch.Tensor]
) -> None:
    """Three models, each in its own voice and in a cloned one, in any order, whatever chance was before."""
    alone = {}
    for name in MODELS:
        untouched = Engine(copy.deepcopy(engines(name).tts), MODELS[name])
        for number, voice in enumerate((None, untouched.prepare(clip(duration_s=5.1), 24_000))):
            request = Request(TEXT[: 10 + 9 * number], 20 + number, params={"temperature": 0.7 + number / 10})
            alone[name, number] = (request, voice, samples(untouched, request, voice))
    order = random.Random(1)
    for _ in range(3):
        for request_key in order.sample(list(alone), len(alone)):
            request, voice, expected = alone[request_key]
            torch.manual_seed(order.randrange(2**32))
            torch.rand(order.randrange(1, 50))
            kept = bytes(bytearray(voice)) if voice else None
            assert torch.equal(samples(engines(request_key[0]), request, voice), expected)
            assert voice == kept


def test_another_seed_is_another_reading(engine: Engine) -> None:
    assert not torch.equal(samples(engine, Request(TEXT, 1)), samples(engine, Request(TEXT, 2)))


@pytest.mark.parametrize("model_name", ["original"])
def test_seeds_may_have_63_bits(engine: Engine) -> None:
    request = Request(TEXT, 2**63 - 1)
    assert torch.equal(samples(engine, request), samples(engine, request))


def test_the_work_stops_at_each_checkpoint(engine: Engine, hooks: Callable[[Engine], int]) -> None:
    """Wherever it stops, nothing is called afterwards, and the next request knows nothing of it."""
    request, before = Request("Hello.", 3), hooks(engine)
    expected, config = samples(engine, request), copy.deepcopy(engine.tts.t3.tfmr.config)
    total = 0

    def count() -> None:
        nonlocal total
        total += 1

    tokens = len(engine.speak(request, None, count).tokens)
    flow_steps = 2 if engine.tts.t3.is_gpt else 10
    assert total == tokens + flow_steps + 2, "each token, each step of the flow, before the vocoder, before the mark"
    for limit in [*range(1, total - 2, 11), *range(total - 2, total + 1)]:
        calls = 0

        def stop(limit: int = limit) -> None:
            nonlocal calls
            calls += 1
            if calls == limit:
                raise Stopped

        with pytest.raises(Stopped):
            engine.speak(request, None, stop)
        assert calls == limit
        assert hooks(engine) == before
        s3gen = engine.tts.s3gen
        assert "forward" not in vars(s3gen.flow.decoder.estimator)
        assert "inference" not in vars(s3gen.mel2wav)
    assert torch.equal(samples(engine, request), expected)
    assert engine.tts.t3.tfmr.config.to_dict() == config.to_dict()


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_upstream_leaves_hooks_where_we_leave_none(
    engine: Engine, upstream: Any, hooks: Callable[[Engine], int]
) -> None:
    """Which is why its `generate` is not used."""

    def upstream_hooks() -> int:
        return sum(len(vars(module)["_forward_hooks"]) for module in upstream.t3.modules())

    as_upstream(upstream, Request(TEXT, 1))
    before = upstream_hooks(), hooks(engine)
    as_upstream(upstream, Request(TEXT, 1))
    samples(engine, Request(TEXT, 1))
    assert upstream_hooks() > before[0]
    assert hooks(engine) == before[1]


@pytest.mark.parametrize("model_name", ["original"])
def test_what_does_not_end_is_ended(endless: Engine) -> None:
    """A model that has missed the end of a short text is not left to talk for 40 s."""
    short = endless.speak(Request("Hi", 1), None, lambda: None)
    assert len(short.tokens) == 120
    assert len(short.samples) / RATE_HZ < 6


@pytest.mark.parametrize("model_name", ["original"])
def test_a_model_without_a_voice_of_its_own_says_so(engine: Engine, clip: Callable[..., torch.Tensor]) -> None:
    tts = copy.copy(engine.tts)
    tts.conds = None
    bare = Engine(tts, engine.model)
    with pytest.raises(ConfigurationError) as caught:
        samples(bare, Request(TEXT, 1))
    assert caught.value.code == "no_builtin_voice"
    voice = bare.prepare(clip(), 24_000)
    assert torch.equal(samples(bare, Request(TEXT, 1), voice), samples(engine, Request(TEXT, 1), voice))


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_text_is_refused(engine: Engine, text: str) -> None:
    """Upstream says a sentence of its own then."""
    with pytest.raises(InvalidInput) as caught:
        samples(engine, Request(text, 1))
    assert caught.value.code == "empty_input"


@pytest.mark.parametrize("model_name", ["original"])
def test_one_token_is_sound_enough(engine: Engine) -> None:
    tts = copy.copy(engine.tts)
    tts.t3 = copy.deepcopy(tts.t3)
    with torch.no_grad():
        plant_end(tts.t3, 1)
    brief = Engine(tts, engine.model).speak(Request("Hi", 1), None, lambda: None)
    assert torch.isfinite(brief.samples).all()
