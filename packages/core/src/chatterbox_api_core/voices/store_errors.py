"""The errors that every voice store raises, with one wording each. The test kit checks code, field and remedy."""

from __future__ import annotations

from chatterbox_api_core.errors import NameTaken, NotFound, StorageFailed
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.names import canonical_name

__all__ = ["name_taken", "voice_damaged", "voice_gone"]


def name_taken(name: str, *, wanted_by: Voice) -> NameTaken:
    """The error for a name or alias, in any spelling, that a voice is to have and another voice has.

    The field is `name` or `alias`, and the message spells the name as `wanted_by` does.
    """
    canonical = canonical_name(name)
    is_name = canonical == canonical_name(wanted_by.name)
    spelled = next((each for each in (wanted_by.name, *wanted_by.aliases) if canonical_name(each) == canonical), name)
    return NameTaken(
        f"Another voice answers to {spelled!r}.",
        field="name" if is_name else "alias",
        remedy="Choose another name, or rename that voice first.",
    )


def voice_gone(voice_id: str) -> NotFound:
    """The error for an id that no voice has, or for a clip that its voice does not have any more."""
    return NotFound(
        f"There is no voice {voice_id!r}, or it has changed meanwhile.",
        field="voice",
        remedy="Look at the list of voices.",
    )


def voice_damaged(voice: Voice) -> StorageFailed:
    """The error for a stored clip that is not what was stored, or that is not there although its voice is."""
    return StorageFailed(
        f"The stored clip of the voice {voice.name!r} is damaged or missing.",
        code="voice_damaged",
        field="voice",
        remedy="Replace its clip.",
    )
