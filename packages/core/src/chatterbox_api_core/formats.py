"""The one table of audio formats: encoders offer rows of it, and front ends, command line and documentation read it."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.types import AudioFormat

__all__ = [
    "AAC",
    "CLIP_EXTENSIONS",
    "FLAC",
    "FORMATS",
    "M4A",
    "MP3",
    "OGG",
    "OPUS",
    "PCM",
    "WAV",
    "WAV_24",
    "WAV_FLOAT",
    "WEBM",
    "rate_for",
]

_MPEG_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES: Final = (8_000, 12_000, 16_000, 24_000, 48_000)

WAV: Final = AudioFormat("wav", "audio/wav", ".wav", streams=False, help="16-bit PCM; exact, large")
WAV_24: Final = AudioFormat("wav-24", "audio/wav", ".wav", streams=False, help="24-bit PCM, for further processing")
WAV_FLOAT: Final = AudioFormat(
    "wav-float", "audio/wav", ".wav", streams=False, help="32-bit float, for further processing"
)
MP3: Final = AudioFormat(
    "mp3", "audio/mpeg", ".mp3", streams=True, help="plays everywhere", sample_rates_hz=_MPEG_RATES
)
FLAC: Final = AudioFormat("flac", "audio/flac", ".flac", streams=False, help="16-bit, exact, half the size of wav")
OGG: Final = AudioFormat("ogg", "audio/ogg", ".ogg", streams=True, help="Vorbis; free, small")
OPUS: Final = AudioFormat(
    "opus",
    "audio/ogg; codecs=opus",
    ".opus",
    streams=True,
    help="Opus in Ogg; the smallest",
    sample_rates_hz=_OPUS_RATES,
)
AAC: Final = AudioFormat(
    "aac", "audio/aac", ".aac", streams=True, help="AAC in ADTS frames", sample_rates_hz=_MPEG_RATES
)
PCM: Final = AudioFormat(
    "pcm",
    "audio/pcm",
    ".pcm",
    streams=True,
    help="bare 16-bit little-endian samples, 24 kHz",
    default_sample_rate_hz=24_000,
)
M4A: Final = AudioFormat(
    "m4a", "audio/mp4", ".m4a", streams=False, help="AAC in MP4, for Apple's players", sample_rates_hz=_MPEG_RATES
)
WEBM: Final = AudioFormat(
    "webm", "audio/webm", ".webm", streams=True, help="Opus in WebM, for browsers", sample_rates_hz=_OPUS_RATES
)

FORMATS: Final = (WAV, MP3, FLAC, OGG, OPUS, AAC, PCM, M4A, WEBM, WAV_24, WAV_FLOAT)
"""All rows of the table; each row is also a constant of its own, such as `MP3`."""

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


def rate_for(audio_format: AudioFormat, *, input_rate_hz: int) -> int:
    """The sample rate that a format has unless another is requested: the nearest that is not below the sound's own."""
    if audio_format.default_sample_rate_hz is not None:
        return audio_format.default_sample_rate_hz
    if not audio_format.sample_rates_hz:
        return input_rate_hz
    return min(
        (each for each in audio_format.sample_rates_hz if each >= input_rate_hz),
        default=max(audio_format.sample_rates_hz),
    )
