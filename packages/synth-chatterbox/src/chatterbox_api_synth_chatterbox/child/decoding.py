"""Text to speech tokens: the loop around T3, one request's state in one generator.

It runs upstream's own modules, and the tokens are those of `T3.inference` and `T3.inference_turbo` for the same
weights and seed. What differs: the state is the caller's, each token is yielded as it is drawn, chance is the
request's own, hooks go when the speech ends, only the attention that is looked at is kept, and `cfg_weight` may be 0.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

import torch

from chatterbox_api_synth_chatterbox.child.sampling import Sampler

__all__ = ["speech_tokens", "use_readable_attention"]

_BRIEF: Final = 5
"""Text tokens, marks and language among them, with which upstream's analyser fails once it takes them for said."""

logging.getLogger("chatterbox.models.t3").setLevel(logging.ERROR)  # it warns of each token it dislikes


def use_readable_attention(t3: Any) -> None:
    """Have layers tell their attention weights, where the model's analyser needs them. Once, after loading."""
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
) -> Generator[int, None, None]:
    """Yield each speech token as it is drawn, but not the one that ends the speech. Close it, or hooks stay.

    Args:
        cond: a T3Cond that is this request's own; it is changed.
        text_tokens: (1, n), with the marks of start and end where the model wants them.
        params: see Sampler; `cfg_weight` too, for models that know it.
    """
    sampler = Sampler(params, penalty_last=t3.is_gpt, generator=generator)
    if t3.is_gpt:
        tokens = _turbo_steps(t3, cond, text_tokens, sampler, max_tokens)
    else:
        tokens = _llama_steps(t3, cond, text_tokens, sampler, float(params.get("cfg_weight", 0.0)), max_tokens)
    with closing(tokens):
        for token in tokens:
            if token == t3.hp.stop_speech_token:
                return
            yield token


def _llama_steps(
    t3: Any, cond: Any, text_tokens: torch.Tensor, sampler: Sampler, cfg_weight: float, max_tokens: int
) -> Generator[int, None, None]:
    rows = 1 if cfg_weight == 0 else 2
    start = torch.full((1, 1), t3.hp.start_speech_token, dtype=torch.long, device=t3.device)
    embeds, cond_length = t3.prepare_input_embeds(
        t3_cond=cond,
        text_tokens=text_tokens.expand(rows, -1),
        speech_tokens=start.expand(rows, -1),
        cfg_weight=cfg_weight,
    )
    following = t3.speech_emb(start) + t3.speech_pos_emb.get_fixed_embedding(0)
    inputs = torch.cat([embeds, following.expand(rows, -1, -1)], dim=1)
    said, past = start, None
    with _analyser(t3, cond_length, text_tokens.size(1)) as analyser:
        for position in range(1, max_tokens + 1):
            output = t3.tfmr(inputs_embeds=inputs, past_key_values=past, use_cache=True)
            past = output.past_key_values
            logits = t3.speech_head(output.last_hidden_state[:, -1])
            if rows == 2:
                logits = logits[:1] + cfg_weight * (logits[:1] - logits[1:])
            if analyser is not None:
                logits = analyser.step(logits, next_token=int(said[0, -1]))
            token = sampler.draw(logits, said)
            yield int(token)
            said = torch.cat([said, token], dim=1)
            following = t3.speech_emb(token) + t3.speech_pos_emb.get_fixed_embedding(position)
            inputs = following.expand(rows, -1, -1)


def _turbo_steps(
    t3: Any, cond: Any, text_tokens: torch.Tensor, sampler: Sampler, max_tokens: int
) -> Generator[int, None, None]:
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


@contextmanager
def _analyser(t3: Any, cond_length: int, text_length: int) -> Iterator[Any]:
    """Upstream's analyser, told of attention by hooks that go with it; None where there is none."""
    upstream = _analyser_class(t3)
    if upstream is None:
        yield None
        return
    handles: list[Any] = []

    class Analyser(upstream):  # type: ignore[misc, valid-type]
        if text_length <= _BRIEF:
            complete = property(lambda _: False, lambda _, __: None)

        def _add_attention_spy(self, tfmr: Any, place: int, layer: int, head: int) -> None:
            """Upstream's stays for ever, and has every layer keep its attention."""

            def spy(_module: Any, _inputs: Any, output: Any) -> None:
                self.last_aligned_attns[place] = output[1][0, head].cpu()

            handles.append(tfmr.layers[layer].self_attn.register_forward_hook(spy))

    try:
        yield Analyser(
            t3.tfmr, None, text_tokens_slice=(cond_length, cond_length + text_length), eos_idx=t3.hp.stop_speech_token
        )
    finally:
        for handle in handles:
            handle.remove()
