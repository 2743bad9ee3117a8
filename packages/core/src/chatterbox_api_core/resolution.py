"""Which voice speaks: the one that is named, else the clip that came along, else the default.

A voice that is named and unknown is an error, never silently another voice. OpenAI's stock names, which
many clients send without being asked, count as none given unless the library holds a voice of that name.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chatterbox_api_core.errors import InvalidAudio, InvalidInput, NotFound, StorageFailed
from chatterbox_api_core.model import ClipLimits, Pcm, Voice, VoicePrompt
from chatterbox_api_core.names import canonical_name, could_be_name, is_voice_id
from chatterbox_api_core.ports import ClipReader, VoiceStore

__all__ = ["STOCK_VOICES", "ResolvedVoice", "VoiceResolver", "VoiceSource"]

VoiceSource: TypeAlias = Literal["library", "upload", "default"]

STOCK_VOICES: Final = frozenset(
    ["alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"]
)
"""The voices OpenAI's own service offers."""

_READERS: Final = 2
"""Clips decoded at once."""


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
        decoded_bytes: how much decoded sound is kept at hand, beyond what running requests hold.
    """

    def __init__(
        self,
        *,
        store: VoiceStore,
        clip_reader: ClipReader,
        limits: ClipLimits | None = None,
        sample: bytes | None = None,
        decoded_bytes: int = 64 * 2**20,
    ) -> None:
        self._store, self._clip_reader = store, clip_reader
        self._limits = limits or ClipLimits()
        self._sample = None if sample is None else (sample, hashlib.sha256(sample).hexdigest())
        self._decoded = _Decoded(decoded_bytes)
        self._reading = asyncio.Semaphore(_READERS)

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
            return ResolvedVoice("upload", prompt=await self._prompt_from_upload(clip))
        return await self._default()

    async def refresh(self, resolved: ResolvedVoice) -> ResolvedVoice:
        """The same voice as it is now: it may have been replaced or removed while its request waited."""
        if resolved.source == "default":
            return await self._default()
        if resolved.voice is None:
            return resolved
        current = await self._store.get(resolved.voice.id)
        if current is None:
            raise _unknown(resolved.voice.name)
        return ResolvedVoice(resolved.source, current, self._prompt_of(current))

    async def _named(self, asked: str) -> Voice | None:
        if not could_be_name(asked):
            raise InvalidInput(
                "'voice' is neither the name nor the id of a voice.",
                code="invalid_voice",
                field="voice",
                remedy="Use a name or an id that GET /v1/audio/voices lists.",
            )
        canonical = canonical_name(asked)
        found = await (self._store.get(canonical) if is_voice_id(canonical) else self._store.find(asked))
        if found is None and canonical not in STOCK_VOICES:
            raise _unknown(asked.strip())
        return found

    async def _default(self) -> ResolvedVoice:
        if (default := await self._store.default()) is not None:
            return ResolvedVoice("default", default, self._prompt_of(default))
        if self._sample is not None:
            data, key = self._sample
            return ResolvedVoice("default", prompt=VoicePrompt(key, lambda: self._decode(key, data)))
        return ResolvedVoice("default")

    def _prompt_of(self, voice: Voice) -> VoicePrompt:
        async def pcm() -> Pcm:
            data = await self._store.audio(voice)
            if await asyncio.to_thread(_sha256, data) != voice.sha256:
                raise _damaged(voice)
            try:
                return await self._decode(voice.sha256, data)
            except InvalidAudio as error:
                raise _damaged(voice) from error

        return VoicePrompt(voice.sha256, pcm)

    async def _prompt_from_upload(self, clip: bytes) -> VoicePrompt:
        """Decoded at once, so that a clip that cannot serve is refused before it waits."""
        key = await asyncio.to_thread(_sha256, clip)
        await self._decode(key, clip)
        return VoicePrompt(key, lambda: self._decode(key, clip))

    async def _decode(self, key: str, data: bytes) -> Pcm:
        """From what is at hand, else by the reader; few at a time, so that uploads leave threads to the encoders."""
        if (known := self._decoded.get(key)) is not None:
            return known
        async with self._reading:
            clip = await asyncio.to_thread(self._clip_reader.read, data, limits=self._limits)
        self._decoded.put(key, clip.pcm)
        return clip.pcm


class _Decoded:
    """Decoded clips by hash: those used last, within a bound in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._clips: OrderedDict[str, Pcm] = OrderedDict()

    def get(self, key: str) -> Pcm | None:
        if key not in self._clips:
            return None
        self._clips.move_to_end(key)
        return self._clips[key]

    def put(self, key: str, pcm: Pcm) -> None:
        if key in self._clips or pcm.samples.nbytes > self._max_bytes:
            return
        self._clips[key] = pcm
        self._bytes += pcm.samples.nbytes
        while self._bytes > self._max_bytes:
            self._bytes -= self._clips.popitem(last=False)[1].samples.nbytes


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no voice {name!r}.", field="voice", remedy="GET /v1/audio/voices lists those there are.")


def _damaged(voice: Voice) -> StorageFailed:
    return StorageFailed(
        f"The stored clip of the voice {voice.name!r} is damaged.",
        code="voice_damaged",
        field="voice",
        remedy="Replace its clip.",
    )
