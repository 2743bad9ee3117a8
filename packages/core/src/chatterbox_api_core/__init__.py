"""Chatterbox API's core: clone a voice from a clip, keep it, speak with it. No dependencies.

Begin with `SpeechService` and `VoiceLibrary`. The modules are `model` (values), `errors`, `ports` (what adapters
fulfil), `speech`, `voices`, `watermarks`, `resolution`, `caching`, `admission`, `text`,
`names`, `formats`, `settings`, `plugins` and `reference` (a memory store, a tone engine and a WAV codec without
dependencies).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatterbox_api_core.errors import ChatterboxError
    from chatterbox_api_core.plugins import Plugin
    from chatterbox_api_core.ports import ClipReader, Encoder, StreamEncoder, Synthesizer, VoiceStore, WatermarkDetector
    from chatterbox_api_core.settings import Setting
    from chatterbox_api_core.speech import SpeechLimits, SpeechService, SpeechStream
    from chatterbox_api_core.speech.request_queue import RequestQueue
    from chatterbox_api_core.types import Capabilities, Pcm, Utterance, Voice, VoicePrompt
    from chatterbox_api_core.voices import VoiceLibrary
    from chatterbox_api_core.voices.voice_resolver import VoiceResolver
    from chatterbox_api_core.watermarks import Watermarks

__all__ = [
    "Capabilities",
    "ChatterboxError",
    "ClipReader",
    "Encoder",
    "Pcm",
    "Plugin",
    "RequestQueue",
    "Setting",
    "SpeechLimits",
    "SpeechService",
    "SpeechStream",
    "StreamEncoder",
    "Synthesizer",
    "Utterance",
    "Voice",
    "VoiceLibrary",
    "VoicePrompt",
    "VoiceResolver",
    "VoiceStore",
    "WatermarkDetector",
    "Watermarks",
]

_HOME = {
    "RequestQueue": "admission",
    "Capabilities": "model",
    "ChatterboxError": "errors",
    "ClipReader": "ports",
    "Encoder": "ports",
    "StreamEncoder": "ports",
    "Pcm": "model",
    "Plugin": "plugins",
    "Setting": "settings",
    "SpeechLimits": "speech",
    "SpeechService": "speech",
    "SpeechStream": "speech",
    "Synthesizer": "ports",
    "Utterance": "model",
    "Voice": "model",
    "VoiceLibrary": "voices",
    "VoicePrompt": "model",
    "VoiceResolver": "resolution",
    "VoiceStore": "ports",
    "WatermarkDetector": "ports",
    "Watermarks": "watermarks",
}


def __getattr__(name: str) -> Any:
    """Load a name from its module when it is first used: asyncio alone takes longer to import than all of core."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
