"""Voices in one file, for backups and for moving: a zip of the clips and of `voices.json`.

Nothing is ever unpacked to a path: clips are read by the number that `voices.json` gives them, within limits, and
taken in by the library, which reads them as it reads any upload.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final

from chatterbox_api_core.errors import InvalidInput, NameTaken
from chatterbox_api_core.formats import CLIP_EXTENSIONS
from chatterbox_api_core.model import Voice
from chatterbox_api_core.voices import VoiceLibrary

__all__ = ["read_archive", "write_archive"]

_MANIFEST: Final = "voices.json"
_SCHEMA: Final = 1
_MAX_MANIFEST_BYTES: Final = 64 * 2**20
_MAX_CLIP_BYTES: Final = 10 * 2**20


async def write_archive(library: VoiceLibrary, voices: Sequence[Voice], path: Path) -> None:
    """Write these voices; the file appears under its name only when it is whole. Raises StorageFailed, NotFound."""
    part = path.with_name(f".{path.name}.part")
    default = await library.default()
    entries: list[dict[str, Any]] = []
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for number, voice in enumerate(voices):
                clip = f"clips/{number:06}{CLIP_EXTENSIONS.get(voice.media_type, '')}"
                archive.writestr(clip, await library.audio(voice))
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
            archive.writestr(_MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def read_archive(library: VoiceLibrary, path: Path, *, existing: str) -> AsyncGenerator[tuple[str, str], None]:
    """Take the voices in, one by one, and yield each name with what became of it: added, skipped or replaced.

    Args:
        existing: `refuse` raises NameTaken where a name is taken, `skip` leaves what is there, `replace` gives it
            the clip of the archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in _entries(archive, path):
                yield entry["name"], await _take_in(library, entry, _clip(archive, entry, path), existing)
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise _unreadable(path, "it is damaged, or was not exported by this program") from error


async def _take_in(library: VoiceLibrary, entry: dict[str, Any], data: bytes, existing: str) -> str:
    name, outcome = entry["name"], "added"
    try:
        await library.create(
            name,
            data,
            filename=entry.get("filename") or "",
            aliases=tuple(entry.get("aliases") or ()),
            language=entry.get("language"),
            consent=entry.get("consent"),
        )
    except NameTaken:
        if existing == "refuse":
            raise
        if existing == "skip" or await library.find(name) is None:
            return "skipped"
        await library.replace(name, data, filename=entry.get("filename") or "")
        outcome = "replaced"
    if entry.get("default"):
        await library.set_default(name)
    return outcome


def _entries(archive: zipfile.ZipFile, path: Path) -> list[dict[str, Any]]:
    try:
        manifest = json.loads(_member(archive, _MANIFEST, _MAX_MANIFEST_BYTES, path))
    except ValueError as error:
        raise _unreadable(path, f"its {_MANIFEST} is damaged") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != _SCHEMA:
        raise _unreadable(path, "it was exported by another version")
    entries = manifest.get("voices")
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("name", "clip", "sha256"))
        for entry in entries
    ):
        raise _unreadable(path, f"its {_MANIFEST} is incomplete")
    return entries


def _clip(archive: zipfile.ZipFile, entry: dict[str, Any], path: Path) -> bytes:
    data = _member(archive, entry["clip"], _MAX_CLIP_BYTES, path)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise _unreadable(path, f"the clip of {entry['name']!r} is damaged")
    return data


def _member(archive: zipfile.ZipFile, name: str, max_bytes: int, path: Path) -> bytes:
    try:
        with archive.open(name) as member:
            data = member.read(max_bytes + 1)
    except KeyError:
        raise _unreadable(path, f"it has no {name[:80]}") from None
    if len(data) > max_bytes:
        raise _unreadable(path, f"its {name[:80]} is too large")
    return data


def _unreadable(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(f"{path} cannot be imported: {reason}.", code="invalid_archive", field="file")
