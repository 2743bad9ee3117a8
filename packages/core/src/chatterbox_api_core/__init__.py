"""Chatterbox API's core: clone a voice from a clip, keep it, speak with it. No dependencies.

Begin with `SpeechService` and `VoiceLibrary`. For adapters there are `ports` (what they fulfil), `types` (the values
that travel), `errors`, `formats`, `settings`, `plugins` and `aio` (tools for asyncio); `speech`, `voices` and
`watermarks` hold the use cases, `text` cuts texts into segments, and `reference` is a memory store, a tone engine and a
WAV codec without dependencies. Modules and names with a leading underscore are core's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatterbox_api_core._lazy import lazy_exports

if TYPE_CHECKING:
    from chatterbox_api_core.errors import ChatterboxError as ChatterboxError
    from chatterbox_api_core.plugins import Plugin as Plugin
    from chatterbox_api_core.ports import ClipReader as ClipReader
    from chatterbox_api_core.ports import Encoder as Encoder
    from chatterbox_api_core.ports import StreamEncoder as StreamEncoder
    from chatterbox_api_core.ports import Synthesizer as Synthesizer
    from chatterbox_api_core.ports import VoiceStore as VoiceStore
    from chatterbox_api_core.ports import WatermarkDetector as WatermarkDetector
    from chatterbox_api_core.settings import Setting as Setting
    from chatterbox_api_core.speech import RequestQueue as RequestQueue
    from chatterbox_api_core.speech import SpeechLimits as SpeechLimits
    from chatterbox_api_core.speech import SpeechRequest as SpeechRequest
    from chatterbox_api_core.speech import SpeechService as SpeechService
    from chatterbox_api_core.speech import SpeechStream as SpeechStream
    from chatterbox_api_core.types import Capabilities as Capabilities
    from chatterbox_api_core.types import EncodeOptions as EncodeOptions
    from chatterbox_api_core.types import Pcm as Pcm
    from chatterbox_api_core.types import Utterance as Utterance
    from chatterbox_api_core.types import Voice as Voice
    from chatterbox_api_core.types import VoicePrompt as VoicePrompt
    from chatterbox_api_core.voices import VoiceLibrary as VoiceLibrary
    from chatterbox_api_core.voices import VoiceResolver as VoiceResolver
    from chatterbox_api_core.watermarks import Watermarks as Watermarks

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "errors": ("ChatterboxError",),
        "plugins": ("Plugin",),
        "ports": ("ClipReader", "Encoder", "StreamEncoder", "Synthesizer", "VoiceStore", "WatermarkDetector"),
        "settings": ("Setting",),
        "speech": ("RequestQueue", "SpeechLimits", "SpeechRequest", "SpeechService", "SpeechStream"),
        "types": ("Capabilities", "EncodeOptions", "Pcm", "Utterance", "Voice", "VoicePrompt"),
        "voices": ("VoiceLibrary", "VoiceResolver"),
        "watermarks": ("Watermarks",),
    },
)
