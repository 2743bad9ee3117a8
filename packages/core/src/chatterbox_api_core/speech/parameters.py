"""Checks of what a request may ask of an engine, against what the engine declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.ports import Encoder
from chatterbox_api_core.text import MAX_PAUSE_S
from chatterbox_api_core.types import AudioFormat, Capabilities, Effect, EncodeOptions, ParameterSpec

__all__ = [
    "LOUDNESS_RANGE_LUFS",
    "SAMPLE_RATE_RANGE_HZ",
    "SPEED_RANGE",
    "check_language",
    "check_options",
    "check_parameters",
    "check_pause",
    "check_seed",
    "check_speed",
    "supported_language",
]

SPEED_RANGE: Final = (0.25, 4.0)
"""What OpenAI's API allows."""
SAMPLE_RATE_RANGE_HZ: Final = (8_000, 48_000)
LOUDNESS_RANGE_LUFS: Final = (-40.0, -5.0)

_EFFECT_FIELDS: Final[dict[Effect, str]] = {
    "tempo": "tempo",
    "loudness": "loudness_lufs",
    "trim": "trim",
    "sample_rate": "sample_rate_hz",
}
"""The attribute of EncodeOptions that asks for an effect."""


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


def check_options(
    options: EncodeOptions, *, tempo: float, audio_format: AudioFormat, encoder: Encoder
) -> EncodeOptions:
    """The options for the encoder, the tempo included that makes up for the engine's speed. Raises InvalidInput."""
    _check_sample_rate(options.sample_rate_hz, audio_format)
    quietest, loudest = LOUDNESS_RANGE_LUFS
    if options.loudness_lufs is not None and not quietest <= options.loudness_lufs <= loudest:
        raise InvalidInput(
            f"The loudness must be from {quietest:g} to {loudest:g} LUFS.",
            code="invalid_loudness",
            field="loudness_lufs",
        )
    slowest, fastest = SPEED_RANGE
    options = replace(options, tempo=options.tempo * tempo)
    if not slowest <= options.tempo <= fastest:
        raise InvalidInput(f"The tempo must be from {slowest:g} to {fastest:g}.", code="invalid_speed", field="tempo")
    for effect in sorted(options.effects - encoder.effects):
        field = _EFFECT_FIELDS[effect]
        raise InvalidInput(
            f"The effect {effect!r} is not offered for {audio_format.name} here.",
            code="unsupported_effect",
            field=field,
        )
    return options


def _check_sample_rate(sample_rate_hz: int | None, audio_format: AudioFormat) -> None:
    if sample_rate_hz is None:
        return
    lowest, highest = SAMPLE_RATE_RANGE_HZ
    rates_hz = audio_format.sample_rates_hz
    if not lowest <= sample_rate_hz <= highest or (rates_hz and sample_rate_hz not in rates_hz):
        offered = ", ".join(f"{each}" for each in rates_hz) or f"any from {lowest} to {highest}"
        raise InvalidInput(
            f"{audio_format.name} cannot have {sample_rate_hz} samples a second.",
            code="invalid_sample_rate",
            field="sample_rate_hz",
            remedy=f"It can have {offered}.",
        )


def check_pause(pause_s: float | None, *, field: str) -> float | None:
    """A pause between segments, in seconds. Raises InvalidInput."""
    if pause_s is not None and not 0 <= pause_s <= MAX_PAUSE_S:
        raise InvalidInput(f"A pause must be from 0 to {MAX_PAUSE_S:g} seconds.", code="invalid_pause", field=field)
    return pause_s


def check_language(language: str | None, *, capabilities: Capabilities) -> str | None:
    """The engine's own tag for a language: `EN_us` is `en-us`, and `de-AT` is `de` where there is no other."""
    if language is None or not language.strip():
        return None
    if (supported := supported_language(language, capabilities=capabilities)) is not None:
        return supported
    raise InvalidInput(
        f"The language {language[:32]!r} is not supported by this engine.",
        code="unsupported_language",
        field="language",
        remedy="The engine's capabilities list its languages.",
    )


def supported_language(language: str | None, *, capabilities: Capabilities) -> str | None:
    """As `check_language`, with None for a language that the engine does not speak."""
    wanted = (language or "").strip().lower().replace("_", "-")
    tags = {known.tag.lower(): known.tag for known in capabilities.languages}
    return tags.get(wanted) or tags.get(wanted.partition("-")[0])


def check_seed(seed: int | None) -> int | None:
    """A seed, from 0 to 2^63 - 1. Raises InvalidInput."""
    if seed is not None and not 0 <= seed < 2**63:
        raise InvalidInput("'seed' must be from 0 to 2^63 - 1.", code="invalid_seed", field="seed")
    return seed


def check_parameters(
    parameters: Mapping[str, float | int | str], *, capabilities: Capabilities
) -> dict[str, float | int | str]:
    """The engine's parameters among those given, within their bounds. Others are for other engines, and ignored."""
    return {
        spec.name: _check(parameters[spec.name], spec) for spec in capabilities.parameters if spec.name in parameters
    }


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
