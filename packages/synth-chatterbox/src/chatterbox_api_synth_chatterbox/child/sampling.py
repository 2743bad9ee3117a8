"""The choice of the next speech token: the rules of one request, and its own source of chance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

__all__ = ["Sampler"]


class Sampler:
    """Draws tokens by the rules of one request.

    Args:
        params: temperature, repetition_penalty, top_p and, where the model knows them, min_p and top_k.
        penalty_last: whether repetition is punished after the filters, as Turbo does, or before.
        generator: the request's own source of chance, on the device of the logits.
    """

    def __init__(self, params: Mapping[str, float], *, penalty_last: bool, generator: torch.Generator) -> None:
        self._generator = generator
        penalty = RepetitionPenaltyLogitsProcessor(float(params["repetition_penalty"]))
        filters: list[LogitsProcessor] = []
        if params["temperature"] != 1.0:
            filters.append(TemperatureLogitsWarper(float(params["temperature"])))
        if "top_k" in params:
            filters.append(TopKLogitsWarper(int(params["top_k"])))
        if params.get("min_p", 0.0) > 0.0:
            filters.append(MinPLogitsWarper(float(params["min_p"])))
        if params["top_p"] < 1.0:
            filters.append(TopPLogitsWarper(float(params["top_p"])))
        self._rules = LogitsProcessorList([*filters, penalty] if penalty_last else [penalty, *filters])

    def draw(self, logits: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """One token, of shape (1, 1).

        Args:
            logits: (1, vocabulary).
            said: (1, n), the tokens that count as repeated.

        Raises:
            FloatingPointError: the logits are no numbers. Drawing from them would end a CUDA process.
        """
        probabilities = torch.softmax(self._rules(said, logits), dim=-1)
        if not bool(torch.isfinite(probabilities).all()):
            raise FloatingPointError("the model's output is not a number")
        return torch.multinomial(probabilities, num_samples=1, generator=self._generator)
