"""Text to speech tokens: the loop around T3, one request's state in one generator.

It runs upstream's own modules, and the tokens are those of `T3.inference` and `T3.inference_turbo` for the same
weights and seed. What differs: the state is the caller's, each token is yielded as it is drawn, chance is the
request's own, attention is read from the output rather than by hooks that stay, and `cfg_weight` may be 0.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from chatterbox_api_synth_chatterbox.sampling import Sampler

__all__ = ["speech_tokens", "use_readable_attention"]

logging.getLogger("chatterbox.models.t3").setLevel(logging.ERROR)  # it warns of each token it dislikes


def use_readable_attention(t3: Any) -> None:
    """Make attention weights part of the output, where the model's analyser needs them. Once, after loading."""
    if _analyser_class(t3) is not None:
        t3.tfmr.config._attn_implementation = "eager"


def speech_tokens(
    t3: Any,
    *,
    cond: Any,
    text_tokens: torch.Tensor,
    params: Mapping[str, float],
    generator: torch.Generator,
    max_tokens: int,
) -> Iterator[int]:
    """Yield each speech token as it is drawn, but not the one that ends the speech.

    Args:
        cond: a T3Cond that is this request's own; it is changed.
        text_tokens: (1, n), with the marks of start and end where the model wants them.
        params: see Sampler; `cfg_weight` too, for models that know it.
    """
    sampler = Sampler(params, penalty_last=t3.is_gpt, generator=generator)
    steps = _turbo_steps if t3.is_gpt else _llama_steps
    for token in steps(t3, cond, text_tokens, sampler, float(params.get("cfg_weight", 0.0)), max_tokens):
        if token == t3.hp.stop_speech_token:
            return
        yield token


def _llama_steps(
    t3: Any, cond: Any, text_tokens: torch.Tensor, sampler: Sampler, cfg_weight: float, max_tokens: int
) -> Iterator[int]:
    rows = 2 if cfg_weight > 0 else 1
    start = torch.full((1, 1), t3.hp.start_speech_token, dtype=torch.long, device=t3.device)
    embeds, cond_length = t3.prepare_input_embeds(
        t3_cond=cond,
        text_tokens=text_tokens.expand(rows, -1),
        speech_tokens=start.expand(rows, -1),
        cfg_weight=cfg_weight,
    )
    analyser = _analyser(t3, cond_length, text_tokens.size(1))
    following = t3.speech_emb(start) + t3.speech_pos_emb.get_fixed_embedding(0)
    inputs = torch.cat([embeds, following.expand(rows, -1, -1)], dim=1)
    said, past = start, None
    for position in range(1, max_tokens + 1):
        output = t3.tfmr(
            inputs_embeds=inputs, past_key_values=past, use_cache=True, output_attentions=analyser is not None
        )
        past = output.past_key_values
        logits = t3.speech_head(output.last_hidden_state[:, -1])
        if rows == 2:
            logits = logits[:1] + cfg_weight * (logits[:1] - logits[1:])
        if analyser is not None:
            _tell(analyser, output.attentions)
            logits = analyser.step(logits, next_token=int(said[0, -1]))
        token = sampler.draw(logits, said)
        yield int(token)
        said = torch.cat([said, token], dim=1)
        following = t3.speech_emb(token) + t3.speech_pos_emb.get_fixed_embedding(position)
        inputs = following.expand(rows, -1, -1)


def _turbo_steps(
    t3: Any, cond: Any, text_tokens: torch.Tensor, sampler: Sampler, cfg_weight: float, max_tokens: int
) -> Iterator[int]:
    start = torch.full((1, 1), t3.hp.start_speech_token, dtype=torch.long, device=t3.device)
    inputs, _ = t3.prepare_input_embeds(t3_cond=cond, text_tokens=text_tokens, speech_tokens=start, cfg_weight=0.0)
    said, counted, past = start[:, :0], start, None
    for _ in range(max_tokens):
        output = t3.tfmr(inputs_embeds=inputs, past_key_values=past, use_cache=True)
        past = output.past_key_values
        token = sampler.draw(t3.speech_head(output.last_hidden_state[:, -1]), counted)
        yield int(token)
        said = counted = torch.cat([said, token], dim=1)
        inputs = t3.speech_emb(token)


def _analyser_class(t3: Any) -> Any:
    """Upstream's judge of the alignment between text and sound, where this release and model have one."""
    if t3.is_gpt or not t3.hp.is_multilingual:
        return None
    try:
        from chatterbox.models.t3 import t3 as module
    except ImportError:
        return None
    return getattr(module, "AlignmentStreamAnalyzer", None)


def _analyser(t3: Any, cond_length: int, text_length: int) -> Any:
    upstream = _analyser_class(t3)
    if upstream is None:
        return None
    silent = type("Analyser", (upstream,), {"_add_attention_spy": lambda *_: None})
    return silent(
        t3.tfmr, None, text_tokens_slice=(cond_length, cond_length + text_length), eos_idx=t3.hp.stop_speech_token
    )


def _tell(analyser: Any, attentions: tuple[torch.Tensor, ...]) -> None:
    """Give the analyser the attention that upstream's would have spied on with hooks that are never removed."""
    from chatterbox.models.t3.inference.alignment_stream_analyzer import LLAMA_ALIGNED_HEADS

    analyser.last_aligned_attns = [attentions[layer][0, head].cpu() for layer, head in LLAMA_ALIGNED_HEADS]
