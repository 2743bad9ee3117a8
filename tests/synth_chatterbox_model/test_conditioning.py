"""What is made of a clip is what upstream makes of it, and no clip does harm."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any, Final

import pytest
import soundfile
import torch
from safetensors.torch import load

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_synth_chatterbox.child import conditioning
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request

RATE_HZ: Final = 24_000


def parts(conditionals: Any) -> dict[str, torch.Tensor]:
    """Upstream's Conditionals, flat; what is derived anew for each request is not part of a voice."""
    flat = {f"t3.{name}": value for name, value in vars(conditionals.t3).items()}
    flat |= {f"gen.{name}": value for name, value in conditionals.gen.items()}
    return {name: value for name, value in flat.items() if torch.is_tensor(value)}


def copied(value: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in parts(value).items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        value.dtype == other[name].dtype and torch.equal(value, other[name]) for name, value in one.items()
    )


def can_be_spoken_in(engine: Engine, voice: bytes) -> bool:
    assert all(torch.isfinite(tensor).all() for tensor in load(voice).values())
    sound = engine.speak(Request("Hi", 1), voice, lambda: None).samples
    return bool(len(sound)) and bool(torch.isfinite(sound).all())


def test_a_voice_is_what_upstream_makes_of_the_clip(
    engine: Engine, upstream: Any, clip: Callable[..., torch.Tensor]
) -> None:
    file = io.BytesIO()
    soundfile.write(file, clip().numpy(), RATE_HZ, format="WAV", subtype="FLOAT")
    file.seek(0)
    own = upstream.conds
    try:
        upstream.prepare_conditionals(file)
        assert same(load(engine.prepare(clip(), RATE_HZ)), parts(upstream.conds))
    finally:
        upstream.conds = own


def test_a_voice_comes_back_from_its_bytes(engine: Engine) -> None:
    own = engine.tts.conds
    t3, gen = conditioning.from_bytes(
        conditioning.to_bytes(own), device=torch.device("cpu"), exaggeration=None if engine.tts.t3.is_gpt else 0.5
    )
    assert same(parts(type(own)(t3, gen)), parts(own))
    assert gen.keys() == own.gen.keys()


def test_preparing_and_speaking_leave_the_models_voice_as_it_was(
    engine: Engine, clip: Callable[..., torch.Tensor]
) -> None:
    conds, before = engine.tts.conds, copied(engine.tts.conds)
    voice = engine.prepare(clip(), RATE_HZ)
    kept = bytes(bytearray(voice))
    engine.speak(Request("Hello.", 1, params={"exaggeration": 1.5}), voice, lambda: None)
    engine.speak(Request("Hello.", 1), None, lambda: None)
    assert engine.tts.conds is conds
    assert same(copied(conds), before)
    assert voice == kept
    with pytest.raises(InvalidAudio):
        engine.prepare(clip(duration_s=0.5), RATE_HZ)
    assert engine.tts.conds is conds


def test_a_failed_analysis_leaves_the_models_voice_as_it_was(
    engine: Engine, clip: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    conds = engine.tts.conds
    monkeypatch.setattr(type(engine.tts), "prepare_conditionals", lambda self, _: setattr(self, "conds", 1 / 0))
    with pytest.raises(ZeroDivisionError):
        engine.prepare(clip(), RATE_HZ)
    assert engine.tts.conds is conds


@pytest.mark.parametrize("model_name", ["original"])
def test_a_clip_of_5_minutes_is_heard_for_30_seconds(engine: Engine, clip: Callable[..., torch.Tensor]) -> None:
    long = clip(duration_s=300)
    assert engine.prepare(long, RATE_HZ) == engine.prepare(long[: 30 * RATE_HZ], RATE_HZ)


@pytest.mark.parametrize(
    ("model_name", "sample_rate_hz"),
    [("original", 8_000), ("original", 16_000), ("original", 44_100), ("original", 96_000), ("turbo", 96_000)],
)
def test_clips_of_any_rate_can_be_heard(engine: Engine, clip: Callable[..., torch.Tensor], sample_rate_hz: int) -> None:
    assert can_be_spoken_in(engine, engine.prepare(clip(duration_s=5.1, sample_rate_hz=sample_rate_hz), sample_rate_hz))


def strange(name: str, usual: torch.Tensor) -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    return {
        "full-scale noise": torch.randn(len(usual), generator=chance).mul(10).clamp(-1, 1),
        "far beyond full scale": usual * 1000,
        "very quiet": usual * 0.02,
        "silence for 7 s, then speech": torch.cat([torch.zeros(7 * RATE_HZ), usual]),
        "speech, then silence for 20 s": torch.cat([usual, torch.zeros(20 * RATE_HZ)]),
        "one click": torch.zeros(len(usual)).index_fill(0, torch.tensor([1000]), 0.9),
        "one click at the end": torch.zeros(len(usual)).index_fill(0, torch.tensor([len(usual) - 1]), 0.9),
        "square": usual.sign(),
        "speech on direct current": usual + 0.5,
    }[name]


STRANGE: Final = {
    "original": (
        "full-scale noise",
        "far beyond full scale",
        "very quiet",
        "silence for 7 s, then speech",
        "speech, then silence for 20 s",
        "one click",
        "one click at the end",
        "square",
        "speech on direct current",
    ),
    # It changes the loudness; the multilingual model hears as the original does.
    "turbo": ("full-scale noise", "far beyond full scale", "very quiet", "silence for 7 s, then speech", "one click"),
}


@pytest.mark.parametrize(("model_name", "name"), [(model, name) for model, names in STRANGE.items() for name in names])
def test_strange_clips_can_be_heard(engine: Engine, clip: Callable[..., torch.Tensor], name: str) -> None:
    usual = clip(duration_s=engine.model.min_clip_s + 0.5)
    assert can_be_spoken_in(engine, engine.prepare(strange(name, usual), RATE_HZ))


@pytest.mark.parametrize("model_name", ["original", "turbo"])
def test_the_shortest_clip_can_be_heard(engine: Engine, clip: Callable[..., torch.Tensor]) -> None:
    shortest_s = engine.model.min_clip_s + 0.01
    assert can_be_spoken_in(engine, engine.prepare(clip(duration_s=shortest_s, sample_rate_hz=8_000), 8_000))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda usual: usual[:0], "audio_too_short"),
        (lambda usual: usual[: RATE_HZ // 100], "audio_too_short"),
        (lambda usual: usual[:RATE_HZ], "audio_too_short"),
        (torch.zeros_like, "audio_silent"),
        (lambda usual: usual * 1e-4, "audio_silent"),
        (lambda usual: torch.full_like(usual, 0.7), "audio_silent"),
        (lambda usual: usual.clone().index_fill_(0, torch.tensor([70_000]), float("nan")), "audio_damaged"),
        (lambda usual: usual.clone().index_fill_(0, torch.tensor([70_000]), float("inf")), "audio_damaged"),
    ],
    ids=["empty", "10 ms", "1 s", "silence", "-80 dB", "direct current", "no number", "infinite"],
)
def test_clips_that_would_harm_are_refused_before_the_model_hears_them(
    engine: Engine,
    clip: Callable[..., torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[torch.Tensor], torch.Tensor],
    code: str,
) -> None:
    monkeypatch.setattr(type(engine.tts), "prepare_conditionals", lambda *_: pytest.fail("the model was touched"))
    with pytest.raises(InvalidAudio) as caught:
        engine.prepare(make(clip()), RATE_HZ)
    assert caught.value.code == code
    assert caught.value.field == "voice"


@pytest.mark.parametrize("model_name", ["turbo"])
def test_turbo_wants_more_than_5_seconds(engine: Engine, clip: Callable[..., torch.Tensor]) -> None:
    with pytest.raises(InvalidAudio, match=r"more than 5 s; this one has 5\.0 s"):
        engine.prepare(clip(duration_s=5.0), RATE_HZ)
    assert engine.prepare(clip(duration_s=5.1), RATE_HZ)


@pytest.mark.parametrize("model_name", ["original"])
def test_a_silence_of_30_seconds_hides_what_comes_after(engine: Engine, clip: Callable[..., torch.Tensor]) -> None:
    late = torch.cat([torch.zeros(31 * RATE_HZ), clip()])
    with pytest.raises(InvalidAudio, match="silent for 30 s"):
        engine.prepare(late, RATE_HZ)


def test_each_request_has_a_copy_of_its_own(engine: Engine) -> None:
    data = conditioning.to_bytes(engine.tts.conds)
    first, second = (conditioning.from_bytes(data, device=torch.device("cpu"), exaggeration=None) for _ in range(2))
    untouched = copy.deepcopy(second)
    for tensor in parts(type(engine.tts.conds)(*first)).values():
        tensor.zero_()
    assert same(parts(type(engine.tts.conds)(*second)), parts(type(engine.tts.conds)(*untouched)))
