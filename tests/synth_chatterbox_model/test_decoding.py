"""Our loop over T3 draws the tokens that upstream's own draws."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Final

import pytest
import torch

from chatterbox_api_synth_chatterbox.decoding import speech_tokens
from chatterbox_api_synth_chatterbox.engine import Engine, Request

TOKENS: Final = 300
TEXT: Final = "The morning is bright, and the birds are singing again."
LIVELY: Final[dict[str, Mapping[str, float]]] = {
    "original": {"temperature": 1.0, "cfg_weight": 0.3, "min_p": 0.0, "top_p": 0.9, "repetition_penalty": 1.4},
    "multilingual": {"temperature": 0.6, "cfg_weight": 0.7, "min_p": 0.1, "top_p": 0.95, "repetition_penalty": 1.0},
    "turbo": {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "repetition_penalty": 1.0},
}


def upstream_tokens(engine: Engine, request: Request, limit: int) -> list[int]:
    """What `T3.inference` or `T3.inference_turbo` draws, its last token left out where it is the mark of the end."""
    t3, params = engine._tts.t3, engine._params(request)
    params.pop("exaggeration", None)
    cond, text = copy.deepcopy(engine._tts.conds.t3), engine._text_tokens(request)
    torch.manual_seed(request.seed)
    if t3.is_gpt:
        drawn = t3.inference_turbo(cond, text, max_gen_len=limit - 1, **params | {"top_k": int(params["top_k"])})
    else:
        drawn = t3.inference(t3_cond=cond, text_tokens=torch.cat([text, text]), max_new_tokens=limit, **params)
    tokens: list[int] = drawn[0].tolist()
    return tokens[:-1] if tokens and tokens[-1] == t3.hp.stop_speech_token else tokens


def our_tokens(engine: Engine, request: Request, limit: int) -> list[int]:
    with torch.inference_mode():
        return list(
            speech_tokens(
                engine._tts.t3,
                cond=copy.deepcopy(engine._tts.conds.t3),
                text_tokens=engine._text_tokens(request),
                params=engine._params(request),
                generator=torch.Generator().manual_seed(request.seed),
                max_tokens=limit,
            )
        )


@pytest.mark.parametrize("seed", range(10))
def test_the_same_seed_draws_the_tokens_upstream_draws(endless: Engine, model_name: str, seed: int) -> None:
    """300 tokens; every other seed with other parameters than upstream's own."""
    request = Request(TEXT, seed, params=LIVELY[model_name] if seed % 2 else {})
    ours = our_tokens(endless, request, TOKENS)
    assert ours == upstream_tokens(endless, request, TOKENS)
    assert len(ours) == TOKENS
    assert len(set(ours)) > 100
