"""The one table of audio formats: encoders offer rows of it, and every front end reads it."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.model import AudioFormat

__all__ = ["MP3", "WAV"]

WAV: Final = AudioFormat("wav", "audio/wav", ".wav", streams=False, help="16-bit PCM; exact, large")
MP3: Final = AudioFormat("mp3", "audio/mpeg", ".mp3", streams=True, help="plays everywhere")
