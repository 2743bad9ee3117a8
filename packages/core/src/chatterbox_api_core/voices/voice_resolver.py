"""Which voice speaks: the voice that a request names, else the clip that it brings, else the default voice.

An unknown name is an error, and never another voice. OpenAI's stock names, which many clients always send, count as no
name unless the library has a voice of that name. `default` names the default voice, so it has priority over a clip.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chatterbox_api_core.errors import InvalidAudio, NotFound, Unavailable
from chatterbox_api_core.types import Pcm, Voice, VoicePrompt
from chatterbox_api_core.voices.clip_decoder import sha256_of
from chatterbox_api_core.voices.library import VoiceLibrary
from chatterbox_api_core.voices.names import canonical_name, could_be_name, is_default_name
from chatterbox_api_core.voices.store_errors import voice_damaged

__all__ = ["STOCK_VOICES", "ResolvedVoice", "VoiceResolver", "VoiceSource"]

VoiceSource: TypeAlias = Literal["library", "upload", "default"]
"""Where a voice comes from: its name in a request, a clip in a request, or neither of them."""

STOCK_VOICES: Final = frozenset(
    ["alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"]
)
"""The voices OpenAI's own service offers."""


@dataclass(frozen=True, slots=True)
class ResolvedVoice:
    """The voice of one request.

    Attributes:
        source: where it comes from.
        voice: the library's voice; None for an uploaded clip, a sample file or the engine's own voice.
        prompt: the clip for the engine to sound like; None for the engine's own voice.
    """

    source: VoiceSource
    voice: Voice | None = None
    prompt: VoicePrompt | None = None


class VoiceResolver:
    """Finds the voice of a request, and makes it a prompt for the engine.

        resolver = VoiceResolver(library)
        resolved = await resolver.resolve(voice="Anna")

    Args:
        library: holds the voices, and decodes clips.
        sample: the clip of a default voice that is used when the library has none; None for the engine's own voice.
    """

    def __init__(self, library: VoiceLibrary, *, sample: bytes | None = None) -> None:
        self._library = library
        self._sample = None if sample is None else (sample, hashlib.sha256(sample).hexdigest())

    async def resolve(self, *, voice: str | None = None, clip: bytes | None = None) -> ResolvedVoice:
        """Choose by the priority.

        Args:
            voice: an id, name or alias in any spelling, or `default`; None or blank for none.
            clip: the bytes of a recording; None for none. Where it speaks, it is decoded at once.

        Raises:
            InvalidInput: `invalid_voice`, for something that can be neither name nor id.
            InvalidAudio: the clip cannot serve; only where no voice is named.
            NotFound: there is no such voice.
            Unavailable: the library or the clip reader cannot serve now.
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
        """The same voice as it is now: it may have been replaced or removed while its request waited.

        Raises:
            NotFound: the voice has been removed.
        """
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
            return ResolvedVoice("default", prompt=self._prompt_from(data, key))
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
                return await self._library.decoder.decode(data, sha256=voice.sha256)
            except InvalidAudio as error:
                raise voice_damaged(voice) from error

        return VoicePrompt(voice.sha256, pcm)

    async def _prompt_from_upload(self, clip: bytes) -> VoicePrompt:
        """Decoded at once, so that a clip that cannot serve is refused before it waits."""
        key = await sha256_of(clip)
        await self._library.decoder.decode(clip, sha256=key)
        return self._prompt_from(clip, key)

    def _prompt_from(self, clip: bytes, key: str) -> VoicePrompt:
        return VoicePrompt(key, lambda: self._library.decoder.decode(clip, sha256=key))


def _is_stock(voice: str) -> bool:
    return could_be_name(voice) and canonical_name(voice) in STOCK_VOICES
