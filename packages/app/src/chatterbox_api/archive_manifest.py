"""`voices.json` in an archive of voices: one entry for each voice, which names its clip in the archive.

{"schema": 1, "voices": [{"clip", "sha256", "name", "aliases", "language", "consent", "filename", "default"}]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from chatterbox_api_core.types import Voice

__all__ = ["ArchiveEntry", "decode_manifest", "encode_manifest"]

_SCHEMA: Final = 1
_REQUIRED: Final = ("name", "clip", "sha256")
_OPTIONAL: Final = ("language", "consent", "filename")


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A voice of an archive.

    Attributes:
        clip: the name of its clip in the archive.
        sha256: of the clip, in lower-case hex.
        filename: of the clip where it came from; None where it had none.
        default: whether it is the default voice.
    """

    clip: str
    sha256: str
    name: str
    aliases: tuple[str, ...] = ()
    language: str | None = None
    consent: str | None = None
    filename: str | None = None
    default: bool = False

    @classmethod
    def of(cls, voice: Voice, *, clip: str, default: bool) -> ArchiveEntry:
        """The entry for a voice whose clip is written under the name `clip`."""
        return cls(
            clip=clip,
            sha256=voice.sha256,
            name=voice.name,
            aliases=voice.aliases,
            language=voice.language,
            consent=voice.consent,
            filename=voice.filename,
            default=default,
        )


def encode_manifest(entries: Sequence[ArchiveEntry]) -> str:
    """The text of `voices.json`."""
    manifest = {"schema": _SCHEMA, "voices": [asdict(entry) for entry in entries]}
    return json.dumps(manifest, indent=2, ensure_ascii=False)


def decode_manifest(data: bytes) -> list[ArchiveEntry]:
    """The entries of `voices.json`, in their order.

    Raises:
        ValueError: says what is wrong with it, as the end of a sentence about the archive.
    """
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError("its voices.json is damaged") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != _SCHEMA:
        raise ValueError("it was exported by another version")
    entries = manifest.get("voices")
    if not isinstance(entries, list) or not all(map(_is_complete, entries)):
        raise ValueError("its voices.json is incomplete")
    return [_entry(entry) for entry in entries]


def _is_complete(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in _REQUIRED)
        and isinstance(entry.get("aliases", []), list)
    )


def _entry(entry: dict[str, Any]) -> ArchiveEntry:
    """A complete entry; an optional value of another type counts as left out."""
    optional = {key: value for key in _OPTIONAL if isinstance(value := entry.get(key), str)}
    return ArchiveEntry(
        **{key: entry[key] for key in _REQUIRED},
        **optional,
        aliases=tuple(alias for alias in entry.get("aliases") or () if isinstance(alias, str)),
        default=bool(entry.get("default")),
    )
