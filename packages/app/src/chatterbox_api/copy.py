"""Voices from one store into another, over the port alone: any two stores will do.

A copy is made voice by voice and holds one clip at a time. Each clip is checked against its SHA-256 when it is read,
and once more when it has been written and read back. What is in the target already is looked at first; so a copy
that was interrupted goes on where it stopped when it is run again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from chatterbox_api_core.errors import ChatterboxError, NameTaken, NotFound, StorageFailed, Unavailable
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name

__all__ = ["Copy", "Difference", "copy_voices", "differences"]

_HOPELESS: Final = frozenset({"storage_full", "storage_read_only"})
"""Failures of a write that every other voice would meet too."""

_SHOWN_CHARS: Final = 20

Difference = tuple[str, object, object]
"""What differs, and how it is in the source and in the target."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What became of one voice.

    Attributes:
        state: `present` when the target had the same voice already.
        target: the voice in the target; of a conflict, the one that is in the way.
        error: why it was not copied.
        default: whether it has become the target's default voice.
    """

    source: Voice
    state: Literal["copied", "replaced", "present", "conflict", "failed"]
    target: Voice | None = None
    error: ChatterboxError | None = None
    default: bool = False

    @property
    def done(self) -> bool:
        """Whether the target has the voice now."""
        return self.error is None


async def copy_voices(
    source: VoiceStore, target: VoiceStore, voices: Iterable[Voice], *, overwrite: bool = False
) -> AsyncGenerator[Copy, None]:
    """Copy these voices of the source, and yield what became of each.

    The source's default voice becomes the target's, if it is among them and the target has none.

    Args:
        overwrite: whether a voice of the target that has the same name becomes what it is in the source. A name that
            the target knows as another voice's alias is never taken from that.

    Raises:
        Unavailable: one of the stores is away; the voices before this one are done.
        StorageFailed: `storage_full`, `storage_read_only`: the target takes no voice at all.
    """
    default = await source.default()
    for voice in voices:
        try:
            copy = await _copy(source, target, voice, overwrite=overwrite)
            if copy.done and copy.target and default and default.id == voice.id and await target.default() is None:
                await target.set_default(copy.target.id)
                copy = replace(copy, default=True)
        except ChatterboxError as error:
            if isinstance(error, Unavailable) or error.code in _HOPELESS:
                raise
            copy = Copy(voice, "failed", error=error)
        yield copy


def differences(voice: Voice, there: Voice) -> tuple[Difference, ...]:
    """In what a voice of the target is not what it is in the source. Ids, dates and revisions are each store's own."""
    pairs: tuple[Difference, ...] = (
        ("clip", voice.sha256, there.sha256),
        ("name", voice.name, there.name),
        ("aliases", sorted(map(canonical_name, voice.aliases)), sorted(map(canonical_name, there.aliases))),
        ("language", voice.language, there.language),
        ("consent", voice.consent, there.consent),
        ("filename", voice.filename, there.filename),
    )
    return tuple(pair for pair in pairs if pair[1] != pair[2])


async def _copy(source: VoiceStore, target: VoiceStore, listed: Voice, *, overwrite: bool) -> Copy:
    voice = await source.get(listed.id)
    if voice is None:
        raise NotFound(f"The voice {listed.name!r} has been removed from the source meanwhile.", field="voice")
    there = await target.get_by_name(voice.name)
    if there is None:
        return await _added(source, target, voice)
    if canonical_name(there.name) != canonical_name(voice.name):
        return _in_the_way(voice, voice.name, there)
    if not overwrite:
        if different := differences(voice, there):
            return Copy(voice, "conflict", there, _differs(there, different))
        await _clip(target, there, place="target")
        return Copy(voice, "present", there)
    if not differences(voice, there) and await _is_sound(target, there):
        return Copy(voice, "present", there)
    return await _overwritten(source, target, voice, there)


async def _added(source: VoiceStore, target: VoiceStore, voice: Voice) -> Copy:
    voice, audio = await _at_present(source, voice)
    draft = VoiceDraft(voice.name, voice.aliases, voice.language, voice.consent)
    try:
        added = await target.add(draft, audio)
    except NameTaken as error:
        return await _taken(target, voice, error)
    return Copy(voice, "copied", await _checked(target, voice, added.id))


async def _overwritten(source: VoiceStore, target: VoiceStore, voice: Voice, there: Voice) -> Copy:
    """Make a voice of the target what it is in the source. Interrupted in between, it is done again the next time."""
    voice, audio = await _at_present(source, voice)
    changes = VoiceChanges(
        name=voice.name,
        add_aliases=voice.aliases,
        remove_aliases=tuple(alias for alias in there.aliases if alias not in voice.aliases),
        language=voice.language,
        consent=voice.consent,
    )
    try:
        await target.update(there.id, changes)
    except NameTaken as error:
        return await _taken(target, voice, error, but=there.id)
    await target.replace(there.id, audio)
    return Copy(voice, "replaced", await _checked(target, voice, there.id))


async def _at_present(source: VoiceStore, voice: Voice) -> tuple[Voice, VoiceAudio]:
    """A voice with its clip, both of one moment: it may be replaced while it is read."""
    try:
        data = await _clip(source, voice, place="source")
    except NotFound:
        current = await source.get(voice.id)
        if current is None:
            raise
        voice, data = current, await _clip(source, current, place="source")
    return voice, VoiceAudio(data, voice.sha256, voice.duration_s, voice.media_type, voice.filename)


async def _checked(target: VoiceStore, voice: Voice, written_id: str) -> Voice:
    """What has been written, read back. StorageFailed when it is not what was to be written."""
    written = await target.get(written_id)
    if written is None:
        raise NotFound(f"The copy of {voice.name!r} has been removed from the target meanwhile.", field="voice")
    if different := differences(voice, written):
        raise StorageFailed(
            f"The target has {voice.name!r} with another {_listed(different)} than was written.",
            remedy="Look who else changes it, and copy it again with --replace.",
        )
    await _clip(target, written, place="target")
    return written


async def _is_sound(target: VoiceStore, there: Voice) -> bool:
    try:
        await _clip(target, there, place="target")
    except StorageFailed:
        return False
    return True


async def _clip(store: VoiceStore, voice: Voice, *, place: str) -> bytes:
    """The clip of a voice, whole. StorageFailed `voice_damaged`."""
    try:
        data = await store.read_clip(voice)
        if await asyncio.to_thread(_sha256, data) == voice.sha256:
            return data
    except StorageFailed as error:
        if error.code != "voice_damaged":
            raise
    raise StorageFailed(
        f"The clip of {voice.name!r} in the {place} is damaged.",
        code="voice_damaged",
        field="voice",
        remedy="Copy it again with --replace." if place == "target" else "Replace its clip there.",
    )


async def _taken(target: VoiceStore, voice: Voice, error: NameTaken, *, but: str = "") -> Copy:
    """The conflict behind a NameTaken, with the voice that has the name."""
    for name in (voice.name, *voice.aliases):
        owner = await target.get_by_name(name)
        if owner is not None and owner.id != but:
            return _in_the_way(voice, name, owner)
    return Copy(voice, "conflict", error=error)


def _in_the_way(voice: Voice, name: str, owner: Voice) -> Copy:
    message = f"In the target, {name!r} is {owner.name!r} ({owner.id})."
    return Copy(voice, "conflict", owner, NameTaken(message, field="name", remedy="Rename one of them."))


def _differs(there: Voice, different: tuple[Difference, ...]) -> NameTaken:
    return NameTaken(
        f"The target has {there.name!r} ({there.id}) with another {_listed(different)}.",
        field="name",
        remedy="Rename one of them, or use --replace.",
    )


def _listed(different: tuple[Difference, ...]) -> str:
    shown = [f"{what} ({_short(here)} here, {_short(there)} there)" for what, here, there in different]
    return ", ".join(shown)


def _short(value: object) -> str:
    if value is None or value in ("", []):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
