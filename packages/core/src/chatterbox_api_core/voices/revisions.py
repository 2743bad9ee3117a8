"""A voice and its next revisions: what every store does to a voice, whatever it keeps it in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from chatterbox_api_core.types import KEEP, Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name, new_voice_id

__all__ = ["canonical_names", "created", "replaced", "updated"]


def canonical_names(voice: Voice) -> frozenset[str]:
    """What the voice answers to: its name and its aliases, in canonical form."""
    return frozenset(map(canonical_name, (voice.name, *voice.aliases)))


def created(draft: VoiceDraft, audio: VoiceAudio) -> Voice:
    """A new voice under a fresh id, with each of its names once."""
    now = datetime.now(UTC)
    aliases = {canonical_name(alias): alias for alias in draft.aliases}
    aliases.pop(canonical_name(draft.name), None)
    return Voice(
        id=new_voice_id(),
        name=draft.name,
        aliases=tuple(aliases.values()),
        sha256=audio.sha256,
        size_bytes=len(audio.data),
        duration_s=audio.duration_s,
        media_type=audio.media_type,
        filename=audio.filename,
        language=draft.language,
        created_at=now,
        updated_at=now,
        revision=1,
        consent=draft.consent,
    )


def replaced(voice: Voice, audio: VoiceAudio) -> Voice:
    """The voice with another clip, at the next revision."""
    return replace(
        voice,
        sha256=audio.sha256,
        size_bytes=len(audio.data),
        duration_s=audio.duration_s,
        media_type=audio.media_type,
        filename=audio.filename,
        updated_at=datetime.now(UTC),
        revision=voice.revision + 1,
    )


def updated(voice: Voice, changes: VoiceChanges) -> Voice:
    """The voice with the changes, at the next revision."""
    name = voice.name if changes.name is KEEP else changes.name
    removed = {canonical_name(alias) for alias in changes.remove_aliases}
    kept = [alias for alias in voice.aliases if canonical_name(alias) not in removed]
    aliases = {canonical_name(alias): alias for alias in (*changes.add_aliases[::-1], *kept)}
    aliases.pop(canonical_name(name), None)
    return replace(
        voice,
        name=name,
        aliases=tuple(aliases[canonical] for canonical in sorted(aliases)),
        language=voice.language if changes.language is KEEP else changes.language,
        consent=voice.consent if changes.consent is KEEP else changes.consent,
        updated_at=datetime.now(UTC),
        revision=voice.revision + 1,
    )
