"""Which voice speaks: the one that is named, else the clip that came along, else the default.

A voice that is named and unknown is an error, never silently another voice. OpenAI's stock names, which
many clients send without being asked, count as none given unless the library holds a voice of that name. `default`
names the voice that speaks when none is given, so it has priority over a clip.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chatterbox_api_core.errors import InvalidAudio, NotFound, Unavailable
from chatterbox_api_core.ports import ClipReader
from chatterbox_api_core.types import ClipLimits, Pcm, Voice, VoicePrompt
from chatterbox_api_core.voices.library import VoiceLibrary, damaged
from chatterbox_api_core.voices.names import canonical_name, could_be_name, is_default_name

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
        library: VoiceLibrary,
        clip_reader: ClipReader,
        limits: ClipLimits | None = None,
        sample: bytes | None = None,
        decoded_bytes: int = 32 * 2**20,
    ) -> None:
        self._library, self._clip_reader = library, clip_reader
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
        if voice is not None and is_default_name(voice):
            return await self._default()
        if voice is not None and voice.strip():
            found = await (self._library.find(voice) if _is_stock(voice) else self._library.get(voice))
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
        current = await self._library.current(resolved.voice)
        return ResolvedVoice(resolved.source, current, self._prompt_of(current))

    async def _default(self) -> ResolvedVoice:
        if (default := await self._library.default()) is not None:
            return ResolvedVoice("default", default, self._prompt_of(default))
        if self._sample is not None:
            data, key = self._sample
            return ResolvedVoice("default", prompt=VoicePrompt(key, lambda: self._decode(key, data)))
        return ResolvedVoice("default")

    def _prompt_of(self, voice: Voice) -> VoicePrompt:
        async def pcm() -> Pcm:
            try:
                data = await self._library.read_clip(voice)
            except NotFound:
                await self._library.current(voice)  # raises where it is gone, not only replaced
                raise Unavailable(
                    f"The voice {voice.name!r} has just been replaced.", code="voice_changed", field="voice"
                ) from None
            try:
                return await self._decode(voice.sha256, data)
            except InvalidAudio as error:
                raise damaged(voice) from error

        return VoicePrompt(voice.sha256, pcm)

    async def _prompt_from_upload(self, clip: bytes) -> VoicePrompt:
        """Decoded at once, so that a clip that cannot serve is refused before it waits."""
        key = await asyncio.to_thread(_sha256, clip)
        await self._decode(key, clip)
        return VoicePrompt(key, lambda: self._decode(key, clip))

    async def _decode(self, key: str, data: bytes) -> Pcm:
        """From what is at hand, else by the reader; few at a time: uploads leave the processor to those who speak."""
        if (known := self._decoded.get(key)) is not None:
            return known
        async with self._reading:
            clip = await self._clip_reader.read(data, limits=self._limits)
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


def _is_stock(voice: str) -> bool:
    return could_be_name(voice) and canonical_name(voice) in STOCK_VOICES
