"""The layout of the bucket, and what the document of a voice says.

    voices/<id>.json              everything about one voice; see `protocol`
    clips/<id>/<nonce>            a clip, one per voice and version: never shared, never changed, never used again
    names/<sha256 of a canonical name>.json    which voice has claimed the name
    default.json                  the default voice
    library.json                  which library this is
    sweeps/                       when left-over objects were last swept, one object

Documents lie apart from clips, so that one list of `voices/` shows what has changed, a thousand voices a page.
The words of people are in documents alone: keys consist of the library's own ids and hashes.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.revisions import canonical_names
from chatterbox_api_storage_r2.errors import damaged_object

__all__ = [
    "CLIPS",
    "DEFAULT",
    "LIBRARY",
    "SWEEPS",
    "VOICES",
    "Record",
    "Versioned",
    "claim_key",
    "new_clip_key",
    "parsed_record",
    "voice_id_of",
    "voice_key",
]

VOICES: Final = "voices/"
CLIPS: Final = "clips/"
DEFAULT: Final = "default.json"
LIBRARY: Final = "library.json"
SWEEPS: Final = "sweeps/"

_KEY = re.compile(r"(?:voices/(voice_[0-9a-z]{26})\.json|clips/(voice_[0-9a-z]{26})/[0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Record:
    """What the document of a voice says.

    Attributes:
        version: counts every write, also those that change nothing of the voice. The higher one is the later one.
        voice: the voice; None once it is deleted. A deleted voice never comes back.
        clip: the key of its clip; empty once it is deleted.
    """

    version: int
    voice: Voice | None
    clip: str = ""

    @property
    def body(self) -> Mapping[str, Any]:
        """The same as JSON values, for `documents.write`."""
        if self.voice is None:
            return {"version": self.version, "state": "deleted"}
        times = {name: getattr(self.voice, name).isoformat() for name in ("created_at", "updated_at")}
        return {"version": self.version, "state": "live", "clip": self.clip, "voice": asdict(self.voice) | times}

    def answers_to(self, canonical: str) -> bool:
        """Whether a claim of this name by this voice counts."""
        return self.voice is not None and canonical in canonical_names(self.voice)

    def next(self, voice: Voice | None, *, clip: str | None = None) -> Record:
        """The record that follows on this one; with the same clip, unless another key is given."""
        return replace(self, version=self.version + 1, voice=voice, clip=self.clip if clip is None else clip)


@dataclass(frozen=True, slots=True)
class Versioned:
    """A record, and the ETag of the document that says it; empty where that has been written over since."""

    record: Record
    etag: str


def parsed_record(body: Mapping[str, Any], *, key: str) -> Record:
    """The record in the body of a document.

    Raises:
        StorageFailed: `storage_damaged`, this is no record; the message names the key.
    """
    try:
        version, state = int(body["version"]), body["state"]
        if state == "deleted":
            return Record(version, None)
        fields = dict(body["voice"])
        fields["aliases"] = tuple(fields["aliases"])
        for name in ("created_at", "updated_at"):
            fields[name] = datetime.fromisoformat(fields[name])
        return Record(version, Voice(**fields), str(body["clip"]))
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_object(key) from error


def voice_key(voice_id: str) -> str:
    """The key of the document of a voice."""
    return f"{VOICES}{voice_id}.json"


def voice_id_of(key: str) -> str | None:
    """The id of the voice whose document or clip has this key; None for any other object."""
    found = _KEY.fullmatch(key)
    return None if found is None else found[1] or found[2]


def claim_key(canonical: str) -> str:
    """The key of the claim of a name in its canonical form."""
    return f"names/{hashlib.sha256(canonical.encode()).hexdigest()}.json"


def new_clip_key(voice_id: str) -> str:
    """A key for a clip of this voice that has never been used."""
    return f"{CLIPS}{voice_id}/{secrets.token_hex(16)}"
