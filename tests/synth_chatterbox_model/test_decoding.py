"""Our loop over T3 draws the tokens that upstream's own draws."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from operator import attrgetter
from typing import Any, Final

import chatterbox.models.t3.t3 as upstream_module
import pytest
import torch
from support.tiny_chatterbox import decide, plant_end

from chatterbox_api_synth_chatterbox.child import conditioning
from chatterbox_api_synth_chatterbox.child.decoding import speech_tokens, use_readable_attention
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request

TOKENS: Final = 300
TEXT: Final = "The morning is bright, and the birds are singing again."
LIVELY: Final[dict[str, Mapping[str, float]]] = {
    "original": {"temperature": 1.0, "cfg_weight": 0.3, "min_p": 0.0, "top_p": 0.9, "repetition_penalty": 1.4},
    "multilingual": {"temperature": 0.6, "cfg_weight": 0.7, "min_p": 0.1, "top_p": 0.95, "repetition_penalty": 1.0},
    "turbo": {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "repetition_penalty": 1.0},
}


@pytest.fixture(autouse=True)
def _without_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "tqdm", lambda steps, **_: steps)


@pytest.fixture
def upstream_t3(endless_t3s: Callable[[str], Any], model_name: str) -> Iterator[Any]:
    """Of the endless model, rid afterwards of the hooks that upstream's `inference` leaves."""
    t3 = endless_t3s(model_name)
    yield t3
    for module in t3.tfmr.modules():
        vars(module)["_forward_hooks"].clear()
    vars(t3.tfmr)["_output_capturing_hooks_installed"] = False


def upstream_tokens(t3: Any, engine: Engine, request: Request, limit: int, cond: Any = None) -> list[int]:
    """What `T3.inference` or `T3.inference_turbo` draws, its last token left out where it is the mark of the end."""
    params = engine.parameters(request)
    exaggeration = params.pop("exaggeration", None)
    cond, text = copy.deepcopy(cond or engine.tts.conds.t3), engine.text_tokens(request)
    if exaggeration is not None:
        cond.emotion_adv = exaggeration * torch.ones(1, 1, 1)
    torch.manual_seed(request.seed)
    if t3.is_gpt:
        drawn = t3.inference_turbo(cond, text, max_gen_len=limit - 1, **params | {"top_k": int(params["top_k"])})
    else:
        drawn = t3.inference(t3_cond=cond, text_tokens=torch.cat([text, text]), max_new_tokens=limit, **params)
    tokens: list[int] = drawn[0].tolist()
    return tokens[:-1] if tokens and tokens[-1] == t3.hp.stop_speech_token else tokens


def our_tokens(engine: Engine, request: Request, limit: int, *, t3: Any = None, voice: bytes = b"") -> list[int]:
    params = engine.parameters(request)
    cond, _ = conditioning.from_bytes(
        voice or conditioning.to_bytes(engine.tts.conds),
        device=torch.device("cpu"),
        exaggeration=params.get("exaggeration"),
    )
    with torch.inference_mode():
        return list(
            speech_tokens(
                t3 or engine.tts.t3,
                cond=cond,
                text_tokens=engine.text_tokens(request),
                params=params,
                generator=torch.Generator().manual_seed(request.seed),
                max_tokens=limit,
            )
        )


def changed(engine: Engine, change: Callable[[Any], None]) -> tuple[Any, Any]:
    """Two copies of an engine's T3 with changed weights: one for us, one for upstream."""
    t3 = copy.deepcopy(engine.tts.t3)
    with torch.no_grad():
        change(t3)
    return t3, copy.deepcopy(t3)


@pytest.mark.parametrize("seed", range(10))
def test_the_same_seed_draws_the_tokens_upstream_draws(
    endless: Engine, upstream_t3: Any, model_name: str, seed: int
) -> None:
    """300 tokens; every other seed with other parameters than upstream's own."""
    request = Request(TEXT, seed, params=LIVELY[model_name] if seed % 2 else {})
    ours = our_tokens(endless, request, TOKENS)
    assert ours == upstream_tokens(upstream_t3, endless, request, TOKENS)
    assert len(ours) == TOKENS or (model_name == "multilingual" and len(ours) > 120), "its analyser may end it"
    assert len(set(ours)) > 100


def test_speech_ends_where_upstream_ends_it(endless: Engine) -> None:
    t3, other = changed(endless, lambda t3: plant_end(t3, 50))
    request = Request(TEXT, 3)
    ours = our_tokens(endless, request, TOKENS, t3=t3)
    assert ours == upstream_tokens(other, endless, request, TOKENS)
    assert 15 <= len(ours) < 200


def test_a_prepared_voice_draws_the_tokens_upstream_draws(
    endless: Engine, upstream_t3: Any, clip: Callable[..., torch.Tensor]
) -> None:
    request = Request(TEXT, 4)
    voice = endless.prepare(clip(), 24_000)
    cond, _ = conditioning.from_bytes(voice, device=torch.device("cpu"), exaggeration=None)
    ours = our_tokens(endless, request, 40, voice=voice)
    assert ours == upstream_tokens(upstream_t3, endless, request, 40, cond)
    assert ours != our_tokens(endless, request, 40)


@pytest.mark.parametrize("model_name", ["original", "multilingual"])
def test_exaggeration_reaches_the_model_as_upstream_has_it(endless: Engine, upstream_t3: Any) -> None:
    request = Request(TEXT, 5, params={"exaggeration": 0.0})
    ours = our_tokens(endless, request, 60)
    assert ours == upstream_tokens(upstream_t3, endless, request, 60)
    assert ours != our_tokens(endless, Request(TEXT, 5), 60)


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_cfg_weight_0_draws_the_tokens_upstream_draws(endless: Engine, upstream_t3: Any) -> None:
    request = Request(TEXT, 6, params={"cfg_weight": 0.0})
    assert our_tokens(endless, request, 60) == upstream_tokens(upstream_t3, endless, request, 60)


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_the_analyser_ends_speech_that_repeats_itself(endless: Engine) -> None:
    """These weights never draw the end of themselves, and give each token nearly the same chance at each step."""

    def forget(t3: Any) -> None:
        decide(t3, 4)
        t3.speech_pos_emb.emb.weight.zero_()
        t3.speech_emb.weight[:] = t3.speech_emb.weight[0].clone()

    t3, other = changed(endless, forget)
    request = Request(TEXT, 5, params={"repetition_penalty": 1.0})
    ours = our_tokens(endless, request, TOKENS, t3=t3)
    assert ours == upstream_tokens(other, endless, request, TOKENS)
    assert len(ours) < TOKENS
    assert ours[-1] == ours[-2]


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_the_analyser_holds_back_an_end_that_comes_too_early(endless: Engine) -> None:
    t3, other = changed(endless, lambda t3: plant_end(t3, 3))
    request = Request(TEXT, 2)
    ours = our_tokens(endless, request, TOKENS, t3=t3)
    assert ours == upstream_tokens(other, endless, request, TOKENS)
    assert len(ours) > 10


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_a_release_without_the_analyser_speaks_without_it(endless: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(upstream_module, "AlignmentStreamAnalyzer")
    t3 = copy.deepcopy(endless.tts.t3)
    monkeypatch.setattr(t3.tfmr.config, "_attn_implementation", "sdpa")
    use_readable_attention(t3)
    assert attrgetter("_attn_implementation")(t3.tfmr.config) == "sdpa"
    with torch.no_grad():
        plant_end(t3, 3)
    assert len(our_tokens(endless, Request(TEXT, 2), TOKENS, t3=t3)) == 3


def test_hooks_go_when_the_tokens_are_closed(endless: Engine, hooks: Callable[[Engine], int]) -> None:
    before = hooks(endless)
    request = Request(TEXT, 0)
    tokens = speech_tokens(
        endless.tts.t3,
        cond=copy.deepcopy(endless.tts.conds.t3),
        text_tokens=endless.text_tokens(request),
        params=endless.parameters(request),
        generator=torch.Generator().manual_seed(0),
        max_tokens=5,
    )
    with torch.inference_mode(), closing(tokens):
        next(tokens)
        assert endless.tts.t3.is_gpt or not endless.tts.t3.hp.is_multilingual or hooks(endless) > before
    assert hooks(endless) == before
