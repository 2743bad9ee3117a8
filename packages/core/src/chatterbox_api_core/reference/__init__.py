"""Adapters without dependencies: the smallest complete example of each port, and the test kit's first users."""

from __future__ import annotations

from chatterbox_api_core.reference.memory import MemoryStore
from chatterbox_api_core.reference.tone import ToneSynthesizer
from chatterbox_api_core.reference.wav import WavEncoder, WavReader

__all__ = ["MemoryStore", "ToneSynthesizer", "WavEncoder", "WavReader"]
