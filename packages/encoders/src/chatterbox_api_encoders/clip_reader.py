"""The ClipReader: PyAV decodes what a person may have recorded with.

Everything about the bytes is a claim: the format is taken from a short list of demuxers, none of which opens
another file; the duration is counted as decoded; the time is limited.
"""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any, Final, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.model import Clip, ClipLimits, ClipReport, Pcm

__all__ = ["PyavClipReader"]

_DEMUXERS: Final = "wav,mp3,flac,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aiff,aac"
_MEDIA_TYPES: Final = {
    # FFmpeg's name of the demuxer: the media type
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mov,mp4,m4a,3gp,3g2,mj2": "audio/mp4",
    "matroska,webm": "audio/webm",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
}
_DECODERS: Final = (
    "mp3,mp3float,mp2,mp2float,flac,vorbis,opus,libopus,aac,alac,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,pcm_alaw,"
    "pcm_mulaw,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,"
    "pcm_f64le,pcm_f64be"
)
"""None for pictures: while it opens a file, FFmpeg decodes the first frame of each track, however large."""
_MAX_RATE_HZ: Final = 48_000
_REMEDY: Final = "Send a recording as wav, mp3, flac, ogg, opus, m4a, webm or aiff."


class PyavClipReader:
    """A ClipReader of wav, mp3, flac, ogg, opus, m4a, aac, webm and aiff."""

    def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        if len(data) > limits.max_bytes:
            raise InvalidAudio(
                f"The clip has {len(data):,} bytes; at most {limits.max_bytes:,} are allowed.",
                code="audio_too_long",
                field="voice_file",
                remedy=_REMEDY,
            )
        deadline = time.monotonic() + limits.deadline_s
        try:
            with av.open(
                BytesIO(data),
                "r",
                options={"format_whitelist": _DEMUXERS, "codec_whitelist": _DECODERS},
                timeout=limits.deadline_s,
                metadata_errors="ignore",
            ) as container:
                pcm, report = _decode(container, limits, deadline)
        except (av.error.FFmpegError, ValueError, OSError, EOFError) as error:
            raise _unreadable("it is damaged, or no audio file") from error
        if pcm.duration_s < limits.min_duration_s:
            raise InvalidAudio(
                f"The clip lasts {pcm.duration_s:.2f} s; at least {limits.min_duration_s:g} s are needed.",
                code="audio_too_short",
                field="voice_file",
                remedy="Record 5 to 15 seconds of one person speaking.",
            )
        return Clip(pcm, report)


def _decode(container: InputContainer, limits: ClipLimits, deadline: float) -> tuple[Pcm, ClipReport]:
    if not container.streams.audio:
        raise _unreadable("it has no sound in it")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise _unreadable("its encoding is not read here")
    rate_hz, channels = stream.rate, stream.channels
    if not limits.min_rate_hz <= rate_hz <= limits.max_rate_hz:
        raise _unreadable(f"its rate is {rate_hz} Hz")
    if not 1 <= channels <= limits.max_channels:
        raise _unreadable(f"it has {channels} channels")
    kept_hz = min(rate_hz, _MAX_RATE_HZ)
    to_float = AudioResampler("fltp", rate=kept_hz)
    parts: list[np.ndarray] = []
    count = 0
    for frame in container.decode(stream):
        for converted in to_float.resample(frame):
            parts.append(converted.to_ndarray().mean(axis=0))
            count += converted.samples
        if count > limits.max_duration_s * kept_hz:
            raise InvalidAudio(
                f"The clip is longer than {limits.max_duration_s:g} s.",
                code="audio_too_long",
                field="voice_file",
                remedy="Cut out 5 to 15 seconds of one person speaking.",
            )
        if time.monotonic() > deadline:
            raise _unreadable("it takes too long to decode")
    parts.extend(converted.to_ndarray().mean(axis=0) for converted in to_float.resample(None))
    if not count:
        raise _unreadable("it has no sound in it")
    samples = np.concatenate(parts).astype(np.float32, copy=False)
    parts.clear()
    if not np.isfinite(samples).all():
        raise _unreadable("it has samples that are not numbers")
    pcm = Pcm(memoryview(cast("Any", samples)), kept_hz)
    return pcm, ClipReport(pcm.duration_s, rate_hz, channels, _MEDIA_TYPES[container.format.name])


def _unreadable(reason: str) -> InvalidAudio:
    return InvalidAudio(f"The clip cannot be read: {reason}.", field="voice_file", remedy=_REMEDY)
