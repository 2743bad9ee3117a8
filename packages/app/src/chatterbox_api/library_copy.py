"""Copies voices from one store into another, through the port alone, so any two stores will do.

Voices are copied one by one, with one clip in memory at a time. Each clip is checked against its SHA-256 when it is
read, and once more when it has been written and read back. Voices that the target has already are recognised; so a copy
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

__all__ = ["CopyResult", "Difference", "copy_voices", "differences"]

_FATAL_CODES: Final = frozenset({"storage_full", "storage_read_only"})
"""Failures of a write that every other voice would meet too."""

_DISPLAY_CHARS: Final = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a voice whose value in the target is not that in the source."""

    field: str
    in_source: object
    in_target: object


@dataclass(frozen=True, slots=True)
class CopyResult:
    """The result for one voice.

    Attributes:
        state: `present` when the target had the same voice already.
        target: the voice in the target; of a conflict, the one that has the name. None where nothing was written.
        error: why it was not copied; None where it was, or was present.
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
) -> AsyncGenerator[CopyResult, None]:
    """Copy these voices of the source, in their order, and yield the result of each.

    The source's default voice becomes the target's, if it is among them and the target has none.

    Args:
        overwrite: whether a voice of the target that has the same name becomes what it is in the source. A name that
            the target knows as another voice's alias is never taken from that.

    Raises:
        Unavailable: one of the stores is unavailable; the voices before this one are done.
        StorageFailed: `storage_full`, `storage_read_only`: the target takes no voice at all.
    """
    default = await source.default()
    for voice in voices:
        try:
            result = await _copy(source, target, voice, overwrite=overwrite)
            is_default = default is not None and default.id == voice.id
            if result.done and result.target and is_default and await target.default() is None:
                await target.set_default(result.target.id)
                result = replace(result, default=True)
        except ChatterboxError as error:
            if isinstance(error, Unavailable) or error.code in _FATAL_CODES:
                raise
            result = CopyResult(voice, "failed", error=error)
        yield result


def differences(voice: Voice, copy: Voice) -> tuple[Difference, ...]:
    """The fields in which a voice of the target differs from the source's; ids, dates and revisions do not count."""
    fields = (
        ("clip", voice.sha256, copy.sha256),
        ("name", voice.name, copy.name),
        ("aliases", sorted(map(canonical_name, voice.aliases)), sorted(map(canonical_name, copy.aliases))),
        ("language", voice.language, copy.language),
        ("consent", voice.consent, copy.consent),
        ("filename", voice.filename, copy.filename),
    )
    return tuple(Difference(*field) for field in fields if field[1] != field[2])


async def _copy(source: VoiceStore, target: VoiceStore, listed: Voice, *, overwrite: bool) -> CopyResult:
    voice = await source.get(listed.id)
    if voice is None:
        raise NotFound(f"The voice {listed.name!r} has been removed from the source meanwhile.", field="voice")
    existing = await target.get_by_name(voice.name)
    if existing is None:
        return await _add(source, target, voice)
    if canonical_name(existing.name) != canonical_name(voice.name):
        return _owned_by_another(voice, voice.name, existing)
    if not overwrite:
        if different := differences(voice, existing):
            return CopyResult(voice, "conflict", existing, _differs(existing, different))
        await _clip(target, existing, place="target")
        return CopyResult(voice, "present", existing)
    if not differences(voice, existing) and await _is_intact(target, existing):
        return CopyResult(voice, "present", existing)
    return await _overwrite(source, target, voice, existing)


async def _add(source: VoiceStore, target: VoiceStore, voice: Voice) -> CopyResult:
    voice, audio = await _read_current(source, voice)
    draft = VoiceDraft(voice.name, voice.aliases, voice.language, voice.consent)
    try:
        added = await target.add(draft, audio)
    except NameTaken as error:
        return await _name_conflict(target, voice, error)
    return CopyResult(voice, "copied", await _read_back(target, voice, added.id))


async def _overwrite(source: VoiceStore, target: VoiceStore, voice: Voice, existing: Voice) -> CopyResult:
    """Make a voice of the target what it is in the source. Interrupted in between, it is done again the next time."""
    voice, audio = await _read_current(source, voice)
    changes = VoiceChanges(
        name=voice.name,
        add_aliases=voice.aliases,
        remove_aliases=tuple(alias for alias in existing.aliases if alias not in voice.aliases),
        language=voice.language,
        consent=voice.consent,
    )
    try:
        await target.update(existing.id, changes)
    except NameTaken as error:
        return await _name_conflict(target, voice, error, but=existing.id)
    await target.replace(existing.id, audio)
    return CopyResult(voice, "replaced", await _read_back(target, voice, existing.id))


async def _read_current(source: VoiceStore, voice: Voice) -> tuple[Voice, VoiceAudio]:
    """A voice with its clip, both of the same revision: it may be replaced while it is read."""
    try:
        data = await _clip(source, voice, place="source")
    except NotFound:
        current = await source.get(voice.id)
        if current is None:
            raise
        voice, data = current, await _clip(source, current, place="source")
    return voice, VoiceAudio(data, voice.sha256, voice.duration_s, voice.media_type, voice.filename)


async def _read_back(target: VoiceStore, voice: Voice, written_id: str) -> Voice:
    """Read back what has been written. Raises StorageFailed where it differs from the source."""
    written = await target.get(written_id)
    if written is None:
        raise NotFound(f"The copy of {voice.name!r} has been removed from the target meanwhile.", field="voice")
    if different := differences(voice, written):
        raise StorageFailed(
            f"The target has {voice.name!r} with another {_describe(different)} than was written.",
            remedy="Find out what else changes it, and copy it again with --replace.",
        )
    await _clip(target, written, place="target")
    return written


async def _is_intact(target: VoiceStore, existing: Voice) -> bool:
    try:
        await _clip(target, existing, place="target")
    except StorageFailed:
        return False
    return True


async def _clip(store: VoiceStore, voice: Voice, *, place: str) -> bytes:
    """The clip of a voice. Raises StorageFailed, `voice_damaged`, where its hash is wrong."""
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
        remedy="Copy it again with --replace." if place == "target" else "Replace its clip existing.",
    )


async def _name_conflict(target: VoiceStore, voice: Voice, error: NameTaken, *, but: str = "") -> CopyResult:
    """The conflict behind a NameTaken, with the voice that has the name.

    Args:
        but: the id of a voice that may have it.
    """
    for name in (voice.name, *voice.aliases):
        owner = await target.get_by_name(name)
        if owner is not None and owner.id != but:
            return _owned_by_another(voice, name, owner)
    return CopyResult(voice, "conflict", error=error)


def _owned_by_another(voice: Voice, name: str, owner: Voice) -> CopyResult:
    message = f"In the target, {name!r} is {owner.name!r} ({owner.id})."
    return CopyResult(voice, "conflict", owner, NameTaken(message, field="name", remedy="Rename one of them."))


def _differs(existing: Voice, different: tuple[Difference, ...]) -> NameTaken:
    return NameTaken(
        f"The target has {existing.name!r} ({existing.id}) with another {_describe(different)}.",
        field="name",
        remedy="Rename one of them, or use --replace.",
    )


def _describe(different: tuple[Difference, ...]) -> str:
    return ", ".join(
        f"{each.field} ({_short(each.in_source)} in the source, {_short(each.in_target)} in the target)"
        for each in different
    )


def _short(value: object) -> str:
    if value is None or value in ("", []):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return repr(text if len(text) <= _DISPLAY_CHARS else f"{text[:_DISPLAY_CHARS]}…")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
