"""Why this reader refuses a file, beside what every reader refuses one for."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.voices import clip_refusals

__all__ = ["cut_off", "damaged", "foreign", "implausible", "unreadable"]

_REMEDY: Final = "Send a recording as wav, mp3, flac, ogg, opus, m4a, webm or aiff."
_AGAIN: Final = "Send it again, or export it again."


def unreadable(reason: str, *, remedy: str = _REMEDY) -> InvalidAudio:
    """The error `invalid_audio` for this reason."""
    return clip_refusals.unreadable(reason, remedy=remedy)


def foreign(name: str) -> InvalidAudio:
    """Of a file that is something else; `name` has its article."""
    return unreadable(f"this is {name}, which is not read here")


def cut_off() -> InvalidAudio:
    return unreadable("it is cut off, and what is there cannot be read", remedy=_AGAIN)


def damaged() -> InvalidAudio:
    return unreadable("it is damaged", remedy=_AGAIN)


def implausible(reason: str) -> InvalidAudio:
    """Of a file whose header claims what no recording has, or what the bytes do not bear out."""
    return unreadable(reason, remedy=_AGAIN)
