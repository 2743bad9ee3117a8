"""The one table of audio formats: encoders offer rows of it, and every front end reads it."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.model import AudioFormat

__all__ = ["CLIP_EXTENSIONS", "MP3", "WAV"]

WAV: Final = AudioFormat("wav", "audio/wav", ".wav", streams=False, help="16-bit PCM; exact, large")
MP3: Final = AudioFormat("mp3", "audio/mpeg", ".mp3", streams=True, help="plays everywhere")

CLIP_EXTENSIONS: Final[dict[str, str]] = {
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/webm": ".webm",
    "audio/aiff": ".aiff",
}
"""What a voice's clip may be, by media type, and the extension of such a file."""
