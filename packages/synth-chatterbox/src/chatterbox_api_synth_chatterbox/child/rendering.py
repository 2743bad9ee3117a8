"""Speech tokens to sound: S3Gen in steps that can be counted and stopped, with a request's own chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch

__all__ = ["rendered", "stepwise"]

_TOKENS: Final = 6561
"""S3's vocabulary; ids from here on are marks, and S3Gen has no embedding for them."""
_SILENCE: Final = 4299
"""The token of silence; Turbo's speech ends with three, or its last sound is cut."""
_TURBO_STEPS: Final = 2


@contextmanager
def stepwise(s3gen: Any, checkpoint: Callable[[], None]) -> Iterator[None]:
    """Call `checkpoint` before each step of the flow and before the vocoder; what it raises ends the rendering."""

    def stopping(upstream: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            checkpoint()
            return upstream(*args, **kwargs)

        return step

    estimator, vocoder = s3gen.flow.decoder.estimator, s3gen.mel2wav
    estimator.forward, vocoder.inference = stopping(estimator.forward), stopping(vocoder.inference)
    try:
        yield
    finally:
        del estimator.forward, vocoder.inference


def rendered(
    s3gen: Any,
    tokens: Sequence[int],
    *,
    reference: dict[str, Any],
    turbo: bool,
    seed: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """The sound of speech tokens, of shape (n,), 960 samples a token, without a watermark.

    Args:
        reference: S3Gen's part of a voice; the caller's own, it is changed.
        generator: where it stands after the tokens were drawn is where S3Gen's noise begins, as with upstream.
    """
    spoken = [token for token in tokens if token < _TOKENS]
    if not spoken:
        return torch.zeros(0)
    if turbo:
        spoken += [_SILENCE] * 3
    ids = torch.tensor(spoken, dtype=torch.long, device=s3gen.device)
    _continue_from(seed, generator)
    wav, _ = s3gen.inference(speech_tokens=ids, ref_dict=reference, n_cfm_timesteps=_TURBO_STEPS if turbo else None)
    sound: torch.Tensor = wav.squeeze(0).detach().cpu()
    return sound


def _continue_from(seed: int, generator: torch.Generator) -> None:
    """Set the process's chance, which S3Gen draws from, to where a request's own stands.

    One request at a time renders, and each sets it first: nothing of another's is left in it.
    """
    torch.manual_seed(seed)
    state = generator.get_state()
    if generator.device.type == "cuda":
        torch.cuda.set_rng_state(state, generator.device)
    elif generator.device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)
