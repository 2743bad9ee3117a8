"""Voices in one file, for backups and for moving: a zip of the clips and of `voices.json`.

Nothing is ever unpacked to a path. Clips are read by the names that `voices.json` has for them, within limits, and the
library reads them as it reads any upload. `ArchiveMembers` finds both also in a zip that was unpacked and packed again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from chatterbox_api.archive_manifest import ArchiveEntry, decode_manifest, encode_manifest
from chatterbox_api.archive_members import MANIFEST, ArchiveMembers, unreadable
from chatterbox_api_core.errors import ChatterboxError, NameTaken, NotFound
from chatterbox_api_core.formats import CLIP_EXTENSIONS
from chatterbox_api_core.types import ClipLimits, Voice
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.names import canonical_name

__all__ = ["read_archive", "write_archive"]

_MAX_MANIFEST_BYTES: Final = 16 * 2**20
_MAX_CLIP_BYTES: Final = ClipLimits().max_bytes
_DISPLAY_NAMES: Final = 10


async def write_archive(
    library: VoiceLibrary, voices: Sequence[Voice], path: Path
) -> list[tuple[Voice, ChatterboxError]]:
    """Write these voices, and return those whose clip cannot be read, each with its error.

    The file appears under its name only when it is complete.

    Raises:
        OSError: the file cannot be written.
        ChatterboxError: the library cannot be read.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            left_out = await _write_voices(library, voices, archive)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return left_out


async def read_archive(library: VoiceLibrary, path: Path, *, existing: str) -> AsyncGenerator[str, None]:
    """Import the voices one by one, and yield a line with the result of each.

    Args:
        existing: what to do with a voice whose name the library has. `refuse` raises NameTaken before anything is
            imported; `skip` leaves the library's voice as it is; `replace` gives it the clip, the language, the
            consent and the aliases of the archive.

    Raises:
        InvalidInput: `invalid_archive`, the file is no archive, is damaged or is incomplete.
        NameTaken: with `refuse`, the library has one of the names.
        ChatterboxError: the library refuses a voice; those before it have been imported.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = ArchiveMembers(archive, path)
            entries = _read_entries(members, path)
            if existing == "refuse":
                await _refuse_existing(library, entries)
            for entry in entries:
                data = _read_clip(members, entry, path)
                yield await _import(library, entry, data, replace=existing == "replace")
    except (zipfile.BadZipFile, NotImplementedError, OSError, zlib.error, EOFError) as error:
        raise unreadable(path, "it is damaged, or was not exported by this program") from error


async def _write_voices(
    library: VoiceLibrary, voices: Sequence[Voice], archive: zipfile.ZipFile
) -> list[tuple[Voice, ChatterboxError]]:
    default = await library.default()
    entries: list[ArchiveEntry] = []
    left_out: list[tuple[Voice, ChatterboxError]] = []
    for number, voice in enumerate(voices):
        try:
            current, data = await _read_current(library, voice)
        except ChatterboxError as error:
            left_out.append((voice, error))
            continue
        clip = f"clips/{number:06}{CLIP_EXTENSIONS.get(current.media_type, '')}"
        archive.writestr(clip, data)
        is_default = default is not None and default.id == current.id
        entries.append(ArchiveEntry.of(current, clip=clip, default=is_default))
    archive.writestr(MANIFEST, encode_manifest(entries))
    return left_out


async def _read_current(library: VoiceLibrary, voice: Voice) -> tuple[Voice, bytes]:
    """A voice with its clip, both of the same revision: it may have been replaced since it was listed."""
    try:
        return voice, await library.read_clip(voice)
    except NotFound:
        current = await library.current(voice)
        return current, await library.read_clip(current)


def _read_entries(members: ArchiveMembers, path: Path) -> list[ArchiveEntry]:
    try:
        return decode_manifest(members.read(MANIFEST, _MAX_MANIFEST_BYTES))
    except ValueError as error:
        raise unreadable(path, str(error)) from error


def _read_clip(members: ArchiveMembers, entry: ArchiveEntry, path: Path) -> bytes:
    data = members.read(entry.clip, _MAX_CLIP_BYTES)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise unreadable(path, f"the clip of {entry.name!r} is damaged")
    return data


async def _refuse_existing(library: VoiceLibrary, entries: Sequence[ArchiveEntry]) -> None:
    names = [name for entry in entries for name in (entry.name, *entry.aliases)]
    taken = [name for name in names if await library.find(name) is not None]
    if taken:
        raise NameTaken(
            f"The library has voices that answer to {', '.join(map(repr, taken[:_DISPLAY_NAMES]))}; nothing was "
            "imported.",
            field="name",
            remedy="Use --existing skip or --existing replace.",
        )


async def _import(library: VoiceLibrary, entry: ArchiveEntry, data: bytes, *, replace: bool) -> str:
    """Import one voice, and return the line that says how."""
    existing = await library.find(entry.name)
    if existing is not None and canonical_name(existing.name) != canonical_name(entry.name):
        return f"skipped: {entry.name} (it is another name of {existing.name!r})"
    if existing is not None and not replace:
        return f"skipped: {entry.name}"
    language, notes = entry.language, []
    if language and not library.knows_language(language):  # versions that did not check tags have exported it
        notes.append(f"language {language!r}, which is no language tag")
        language = None
    free, taken = await _sort_aliases(library, entry.aliases, existing)
    if taken:
        notes.append(f"{', '.join(map(repr, taken))}, which other voices have")
    voice = await _write(library, entry, data, existing, aliases=free, language=language)
    if entry.default and await library.default() is None:
        await library.set_default(voice.id)
    without = f" (without {'; without '.join(notes)})" if notes else ""
    return f"{'added' if existing is None else 'replaced'}: {entry.name}{without}"


async def _write(
    library: VoiceLibrary,
    entry: ArchiveEntry,
    data: bytes,
    existing: Voice | None,
    *,
    aliases: tuple[str, ...],
    language: str | None,
) -> Voice:
    filename = entry.filename or ""
    if existing is None:
        voice, _ = await library.create(
            entry.name, data, filename=filename, aliases=aliases, language=language, consent=entry.consent
        )
        return voice
    voice, _ = await library.change(existing.id, language=language, consent=entry.consent, data=data, filename=filename)
    for alias in aliases:
        voice = await library.add_alias(voice.id, alias)
    return voice


async def _sort_aliases(
    library: VoiceLibrary, aliases: Sequence[str], existing: Voice | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The aliases that the voice can get, and those that other voices have."""
    free: list[str] = []
    taken: list[str] = []
    for alias in aliases:
        owner = await library.find(alias)
        if owner is None:
            free.append(alias)
        elif existing is None or owner.id != existing.id:
            taken.append(alias)
    return tuple(free), tuple(taken)
