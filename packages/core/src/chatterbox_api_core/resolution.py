"""Which voice speaks: the one that is named, else the clip that came along, else the default.

A voice that is named and unknown is an error, never silently another voice. OpenAI's stock names, which
many clients send without being asked, count as none given unless the library holds a voice of that name.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chatterbox_api_core.errors import InvalidInput, NotFound, Unavailable
from chatterbox_api_core.model import ClipLimits, Pcm, Voice, VoicePrompt
from chatterbox_api_core.names import canonical_name, could_be_name, is_voice_id
from chatterbox_api_core.ports import ClipReader, VoiceStore

__all__ = ["STOCK_VOICES", "ResolvedVoice", "VoiceResolver", "VoiceSource"]

VoiceSource: TypeAlias = Literal["library", "upload", "default"]

STOCK_VOICES: Final = frozenset(
    ["alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"]
)
"""The voices OpenAI's own service offers."""


@dataclass(frozen=True, slots=True)
class ResolvedVoice:
    """The voice of one request.

    Attributes:
        voice: the library's voice; None for an uploaded clip, a sample file or the engine's own voice.
        prompt: what the engine is to sound like; None for the engine's own voice.
    """

    source: VoiceSource
    voice: Voice | None = None
    prompt: VoicePrompt | None = None


class VoiceResolver:
    """Applies the priority, and turns the winner into a prompt.

    Args:
        sample: the clip of a default voice that is used when the library has none.
    """

    def __init__(
        self,
        *,
        store: VoiceStore,
        clip_reader: ClipReader,
        limits: ClipLimits | None = None,
        sample: bytes | None = None,
    ) -> None:
        self._store, self._clip_reader = store, clip_reader
        self._limits = limits or ClipLimits()
        self._sample = sample

    async def resolve(self, *, voice: str | None = None, clip: bytes | None = None) -> ResolvedVoice:
        """Choose by the priority.

        Raises:
            InvalidInput: `invalid_voice`, for something that can be neither name nor id.
            InvalidAudio: the uploaded clip cannot serve; only when it is its turn.
            NotFound: `voice_not_found`.
        """
        if voice is not None and voice.strip():
            found = await self._named(voice)
            if found is not None:
                return ResolvedVoice("library", found, self._prompt_of(found))
        if clip is not None:
            return ResolvedVoice("upload", prompt=await self._prompt_from(clip))
        if (default := await self._store.default()) is not None:
            return ResolvedVoice("default", default, self._prompt_of(default))
        if self._sample is not None:
            return ResolvedVoice("default", prompt=await self._prompt_from(self._sample))
        return ResolvedVoice("default")

    async def _named(self, asked: str) -> Voice | None:
        canonical = canonical_name(asked)
        if not could_be_name(asked):
            raise InvalidInput(
                "'voice' is neither the name nor the id of a voice.",
                code="invalid_voice",
                field="voice",
                remedy="Use a name or an id that GET /v1/audio/voices lists.",
            )
        found = await (self._store.get(canonical) if is_voice_id(canonical) else self._store.find(asked))
        if found is None and canonical not in STOCK_VOICES:
            raise NotFound(
                f"There is no voice {asked.strip()!r}.",
                field="voice",
                remedy="GET /v1/audio/voices lists those there are.",
            )
        return found

    def _prompt_of(self, voice: Voice) -> VoicePrompt:
        async def pcm() -> Pcm:
            data = await self._store.audio(voice)
            return (await asyncio.to_thread(self._read, data, voice.sha256))[1]

        return VoicePrompt(voice.sha256, pcm)

    async def _prompt_from(self, clip: bytes) -> VoicePrompt:
        key, decoded = await asyncio.to_thread(self._read, clip)

        async def pcm() -> Pcm:
            return decoded

        return VoicePrompt(key, pcm)

    def _read(self, data: bytes, expected: str | None = None) -> tuple[str, Pcm]:
        digest = hashlib.sha256(data).hexdigest()
        if expected not in (None, digest):
            raise Unavailable("The stored clip of this voice is damaged.", code="voice_damaged", field="voice")
        return digest, self._clip_reader.read(data, limits=self._limits).pcm
