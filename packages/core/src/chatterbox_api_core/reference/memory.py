"""A voice store in memory: for tests, demonstrations and embedding; nothing survives the process."""

from __future__ import annotations

from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name
from chatterbox_api_core.voices.revisions import canonical_names, created, replaced, updated
from chatterbox_api_core.voices.store_errors import name_taken, voice_gone

__all__ = ["MemoryStore"]


class MemoryStore:
    """A VoiceStore that keeps nothing beyond the process. No call awaits anything, so every call is atomic.

    library = VoiceLibrary(store=MemoryStore(), clip_reader=WavReader())
    """

    def __init__(self) -> None:
        self._voices: dict[str, Voice] = {}
        self._audio: dict[str, bytes] = {}
        self._owners: dict[str, str] = {}
        self._default: str | None = None

    async def ready(self) -> None:
        return

    async def get(self, voice_id: str) -> Voice | None:
        return self._voices.get(voice_id)

    async def get_by_name(self, name: str) -> Voice | None:
        owner = self._owners.get(canonical_name(name))
        return None if owner is None else self._voices[owner]

    async def list(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        return tuple(self._voices[key] for key in sorted(self._voices) if after is None or key > after)[:limit]

    async def read_clip(self, voice: Voice) -> bytes:
        if self._known(voice.id).sha256 != voice.sha256:
            raise voice_gone(voice.id)
        return self._audio[voice.id]

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        voice = created(draft, audio)
        self._claim(voice)
        self._audio[voice.id] = audio.data
        return voice

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        voice = replaced(self._known(voice_id), audio)
        self._voices[voice_id] = voice
        self._audio[voice_id] = audio.data
        return voice

    async def update(self, voice_id: str, changes: VoiceChanges) -> Voice:
        voice = updated(self._known(voice_id), changes)
        self._claim(voice)
        return voice

    async def remove(self, voice_id: str) -> None:
        del self._voices[self._known(voice_id).id], self._audio[voice_id]
        self._owners = {name: owner for name, owner in self._owners.items() if owner != voice_id}
        if self._default == voice_id:
            self._default = None

    async def default(self) -> Voice | None:
        return None if self._default is None else self._voices[self._default]

    async def set_default(self, voice_id: str | None) -> None:
        self._default = None if voice_id is None else self._known(voice_id).id

    def _known(self, voice_id: str) -> Voice:
        if voice_id not in self._voices:
            raise voice_gone(voice_id)
        return self._voices[voice_id]

    def _claim(self, voice: Voice) -> None:
        """Make `voice` the state of its id, with all its names, or raise NameTaken and change nothing."""
        for name in (voice.name, *voice.aliases):
            if self._owners.get(canonical_name(name), voice.id) != voice.id:
                raise name_taken(name, wanted_by=voice)
        self._owners = {name: owner for name, owner in self._owners.items() if owner != voice.id}
        self._owners |= dict.fromkeys(canonical_names(voice), voice.id)
        self._voices[voice.id] = voice
