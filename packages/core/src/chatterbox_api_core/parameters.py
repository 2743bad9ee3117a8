"""Checks of what a request may ask of an engine, against what the engine declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.model import Capabilities, ParameterSpec
from chatterbox_api_core.ports import Encoder

__all__ = ["SPEED_RANGE", "check_language", "check_params", "check_seed", "check_speed"]

SPEED_RANGE: Final = (0.25, 4.0)
"""What OpenAI's API allows."""


def check_speed(speed: float, *, capabilities: Capabilities, encoder: Encoder) -> tuple[float, float]:
    """Share a speed between the engine and the encoder's tempo: (engine's, encoder's)."""
    slowest, fastest = SPEED_RANGE
    if not slowest <= speed <= fastest:
        raise InvalidInput(f"'speed' must be from {slowest:g} to {fastest:g}.", code="invalid_speed", field="speed")
    native = min(max(speed, capabilities.speed[0]), capabilities.speed[1])
    if native != speed and "tempo" not in encoder.effects:
        lowest, highest = capabilities.speed
        raise InvalidInput(
            f"This engine and format speak at a speed from {lowest:g} to {highest:g}.",
            code="invalid_speed",
            field="speed",
        )
    return native, speed / native


def check_language(language: str | None, *, capabilities: Capabilities) -> str | None:
    """The engine's own tag for a language: `EN_us` is `en-us`, and `de-AT` is `de` where there is no other."""
    if language is None or not language.strip():
        return None
    wanted = language.strip().lower().replace("_", "-")
    tags = {known.tag.lower(): known.tag for known in capabilities.languages}
    for tag in (wanted, wanted.partition("-")[0]):
        if tag in tags:
            return tags[tag]
    raise InvalidInput(
        f"The language {language[:32]!r} is not spoken here.",
        code="unsupported_language",
        field="language",
        remedy="The list of languages names those there are.",
    )


def check_seed(seed: int | None) -> int | None:
    if seed is not None and not 0 <= seed < 2**63:
        raise InvalidInput("'seed' must be from 0 to 2^63 - 1.", code="invalid_seed", field="seed")
    return seed


def check_params(
    params: Mapping[str, float | int | str], *, capabilities: Capabilities
) -> dict[str, float | int | str]:
    """The engine's parameters among those given, within their bounds. Others are for other engines, and ignored."""
    return {spec.name: _check(params[spec.name], spec) for spec in capabilities.params if spec.name in params}


def _check(value: float | int | str, spec: ParameterSpec) -> float | int | str:
    def refuse(expected: str) -> InvalidInput:
        return InvalidInput(f"'{spec.name}' must be {expected}.", code="invalid_parameter", field=spec.name)

    if spec.kind == "str":
        if not isinstance(value, str):
            raise refuse("text")
        return value
    if isinstance(value, (str, bool)) or (isinstance(value, float) and not math.isfinite(value)):
        raise refuse("a number")
    if spec.kind == "int" and value != int(value):
        raise refuse("a whole number")
    low = spec.minimum if spec.minimum is not None else float("-inf")
    high = spec.maximum if spec.maximum is not None else float("inf")
    if not low <= value <= high:
        raise refuse(f"from {low:g} to {high:g}")
    return int(value) if spec.kind == "int" else float(value)
