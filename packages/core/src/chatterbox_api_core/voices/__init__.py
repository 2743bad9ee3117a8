"""What people do with voices: the use case `VoiceLibrary`, and `VoiceResolver`, which finds the voice of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatterbox_api_core._lazy import lazy_exports

if TYPE_CHECKING:
    from chatterbox_api_core.voices.clip_cache import ClipCache as ClipCache
    from chatterbox_api_core.voices.clip_decoder import ClipDecoder as ClipDecoder
    from chatterbox_api_core.voices.library import VoiceLibrary as VoiceLibrary
    from chatterbox_api_core.voices.voice_resolver import ResolvedVoice as ResolvedVoice
    from chatterbox_api_core.voices.voice_resolver import VoiceResolver as VoiceResolver

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "voices.clip_cache": ("ClipCache",),
        "voices.clip_decoder": ("ClipDecoder",),
        "voices.library": ("VoiceLibrary",),
        "voices.voice_resolver": ("ResolvedVoice", "VoiceResolver"),
    },
)
