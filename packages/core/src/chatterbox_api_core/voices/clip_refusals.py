"""The errors that readers of clips raise. Each reason has a remedy of its own; the field is `clip`."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits

__all__ = [
    "check_kind",
    "check_size",
    "no_numbers",
    "no_sound",
    "silent",
    "too_long",
    "too_loud",
    "too_short",
    "too_slow",
    "unreadable",
]

_FIELD: Final = "clip"
_EXPORT: Final = "Export it again as 16-bit or 24-bit samples."


def unreadable(reason: str, *, remedy: str) -> InvalidAudio:
    """The error `invalid_audio` for this reason, a sentence without its full stop."""
    return InvalidAudio(f"The clip cannot be read: {reason}.", field=_FIELD, remedy=remedy)


def check_size(data: bytes, limits: ClipLimits) -> None:
    """Raise InvalidAudio where there are more bytes than the limits allow."""
    if len(data) > limits.max_bytes:
        raise InvalidAudio(
            f"The clip has {len(data):,} bytes; at most {limits.max_bytes:,} are allowed.",
            code="audio_too_long",
            field=_FIELD,
            remedy="Cut out 5 to 15 seconds of one person speaking, or send it as mp3 or m4a.",
        )


def too_short(duration_s: float, limits: ClipLimits) -> InvalidAudio:
    """The error `audio_too_short` for a clip of so many seconds of sound."""
    return InvalidAudio(
        f"The clip lasts {duration_s:.2f} s; at least {limits.min_duration_s:g} s are needed.",
        code="audio_too_short",
        field=_FIELD,
        remedy="Record 5 to 15 seconds of one person speaking.",
    )


def too_long(limits: ClipLimits) -> InvalidAudio:
    """The error `audio_too_long` for a clip with more seconds of sound than the limits allow."""
    return InvalidAudio(
        f"The clip is longer than {limits.max_duration_s:g} s.",
        code="audio_too_long",
        field=_FIELD,
        remedy="Cut out 5 to 15 seconds of one person speaking.",
    )


def check_kind(sample_rate_hz: int, channels: int, limits: ClipLimits) -> None:
    """Raise InvalidAudio where rate or channels are beyond the limits."""
    lowest, highest = limits.min_sample_rate_hz, limits.max_sample_rate_hz
    if not lowest <= sample_rate_hz <= highest:
        raise unreadable(
            f"its rate is {sample_rate_hz} Hz, and {lowest:,} to {highest:,} Hz are read",
            remedy="Resample it to 24,000 or 48,000 Hz.",
        )
    if not 1 <= channels <= limits.max_channels:
        raise unreadable(
            f"it has {channels} channels, and up to {limits.max_channels} are read",
            remedy="Mix it down to one channel.",
        )


def no_sound() -> InvalidAudio:
    """The error for a file that has no sample of sound."""
    return unreadable("it has no sound in it", remedy="See whether the recording is complete, and send it again.")


def silent(*, cancelled: bool = False) -> InvalidAudio:
    """The error for a clip that is silent, or becomes so when its channels are mixed down (`cancelled`)."""
    if cancelled:
        return unreadable("its channels cancel each other out", remedy="Send one channel of it alone.")
    return unreadable("it is silent", remedy="Record again, and see that the microphone is connected and not muted.")


def no_numbers() -> InvalidAudio:
    """The error for samples that are infinite or not a number."""
    return unreadable("it has samples that are not numbers", remedy=_EXPORT)


def too_loud() -> InvalidAudio:
    """The error for samples so far beyond full scale that they cannot be sound."""
    return unreadable("its samples are no sound", remedy=_EXPORT)


def too_slow() -> InvalidAudio:
    """The error for a clip that takes longer to decode than the limits allow."""
    return unreadable("it takes too long to decode", remedy="Send a shorter recording, or send it as wav or mp3.")
