"""Voices in one file, for backups and for moving: a zip of the clips and of `voices.json`.

Nothing is ever unpacked to a path: clips are read by the name that `voices.json` gives them, within limits, and
taken in by the library, which reads them as it reads any upload. `Members` finds both in a zip that was unpacked and
packed again, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final

from chatterbox_api.archive_members import MANIFEST, Members, unreadable
from chatterbox_api_core.errors import ChatterboxError, NameTaken, NotFound
from chatterbox_api_core.formats import CLIP_EXTENSIONS
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.names import canonical_name

__all__ = ["read_archive", "write_archive"]

_SCHEMA: Final = 1
_MAX_MANIFEST_BYTES: Final = 16 * 2**20
_MAX_CLIP_BYTES: Final = 10 * 2**20


async def write_archive(
    library: VoiceLibrary, voices: Sequence[Voice], path: Path
) -> list[tuple[Voice, ChatterboxError]]:
    """Write these voices, and return those whose clip cannot be read, each with the reason.

    The file appears under its name only when it is whole.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    default = await library.default()
    entries: list[dict[str, Any]] = []
    left_out: list[tuple[Voice, ChatterboxError]] = []
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for number, voice in enumerate(voices):
                try:
                    voice, data = await _at_present(library, voice)
                except ChatterboxError as error:
                    left_out.append((voice, error))
                    continue
                clip = f"clips/{number:06}{CLIP_EXTENSIONS.get(voice.media_type, '')}"
                archive.writestr(clip, data)
                entries.append(
                    {
                        "clip": clip,
                        "sha256": voice.sha256,
                        "name": voice.name,
                        "aliases": list(voice.aliases),
                        "language": voice.language,
                        "consent": voice.consent,
                        "filename": voice.filename,
                        "default": default is not None and default.id == voice.id,
                    }
                )
            manifest = {"schema": _SCHEMA, "voices": entries}
            archive.writestr(MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return left_out


async def _at_present(library: VoiceLibrary, voice: Voice) -> tuple[Voice, bytes]:
    """A voice with its clip, both of one moment: it may have been replaced since it was listed."""
    try:
        return voice, await library.read_clip(voice)
    except NotFound:
        current = await library.current(voice)
        return current, await library.read_clip(current)


async def read_archive(library: VoiceLibrary, path: Path, *, existing: str) -> AsyncGenerator[str, None]:
    """Take the voices in, one by one, and yield a line for each that says what became of it.

    Args:
        existing: what becomes of a voice whose name is there already. `refuse` raises NameTaken before anything is
            taken in; `skip` leaves the one that is there; `replace` gives it the clip, the language, the consent and
            the aliases of the archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = Members(archive, path)
            entries = _entries(members, path)
            if existing == "refuse":
                await _refuse_taken(library, entries)
            for entry in entries:
                yield await _take_in(library, entry, _clip(members, entry, path), replace=existing == "replace")
    except (zipfile.BadZipFile, NotImplementedError, OSError, zlib.error, EOFError) as error:
        raise unreadable(path, "it is damaged, or was not exported by this program") from error


async def _refuse_taken(library: VoiceLibrary, entries: list[dict[str, Any]]) -> None:
    names = [name for entry in entries for name in (entry["name"], *entry["aliases"])]
    taken = [name for name in names if await library.find(name) is not None]
    if taken:
        raise NameTaken(
            f"There are voices already that answer to {', '.join(map(repr, taken[:10]))}; nothing was taken in.",
            field="name",
            remedy="Use --existing skip or --existing replace.",
        )


async def _take_in(library: VoiceLibrary, entry: dict[str, Any], data: bytes, *, replace: bool) -> str:
    name, language, consent = entry["name"], entry.get("language"), entry.get("consent")
    notes = []
    if language and not library.knows_language(language):  # as voices could have it before tags were checked
        notes.append(f"language {language!r}, which is no language tag")
        language = None
    filename = entry.get("filename") or ""
    there = await library.find(name)
    if there is not None and canonical_name(there.name) != canonical_name(name):
        return f"skipped: {name} (it is another name of {there.name!r})"
    if there is not None and not replace:
        return f"skipped: {name}"
    free, taken = await _sorted_aliases(library, entry["aliases"], there)
    if there is None:
        voice, _ = await library.create(
            name, data, filename=filename, aliases=tuple(free), language=language, consent=consent
        )
    else:
        voice, _ = await library.change(there.id, language=language, consent=consent, data=data, filename=filename)
        for alias in free:
            voice = await library.add_alias(voice.id, alias)
    if entry.get("default") and await library.default() is None:
        await library.set_default(voice.id)
    if taken:
        notes.append(f"{', '.join(map(repr, taken))}, which others have")
    without = f" (without {'; without '.join(notes)})" if notes else ""
    return f"{'added' if there is None else 'replaced'}: {name}{without}"


async def _sorted_aliases(
    library: VoiceLibrary, aliases: list[str], there: Voice | None
) -> tuple[list[str], list[str]]:
    """Those that can be given to the voice, and those that others have."""
    free: list[str] = []
    taken: list[str] = []
    for alias in aliases:
        owner = await library.find(alias)
        if owner is None:
            free.append(alias)
        elif there is None or owner.id != there.id:
            taken.append(alias)
    return free, taken


def _entries(members: Members, path: Path) -> list[dict[str, Any]]:
    try:
        manifest = json.loads(members.read(MANIFEST, _MAX_MANIFEST_BYTES))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"its {MANIFEST} is damaged") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != _SCHEMA:
        raise unreadable(path, "it was exported by another version")
    entries = manifest.get("voices")
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("name", "clip", "sha256"))
        for entry in entries
    ):
        raise unreadable(path, f"its {MANIFEST} is incomplete")
    for entry in entries:
        if not isinstance(entry.get("aliases", []), list):
            raise unreadable(path, f"its {MANIFEST} is incomplete")
    for entry in entries:
        entry["aliases"] = [alias for alias in entry.get("aliases") or () if isinstance(alias, str)]
        for key in ("language", "consent", "filename"):
            if not isinstance(entry.get(key), str):
                entry[key] = None
    return entries


def _clip(members: Members, entry: dict[str, Any], path: Path) -> bytes:
    data = members.read(entry["clip"], _MAX_CLIP_BYTES)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise unreadable(path, f"the clip of {entry['name']!r} is damaged")
    return data
