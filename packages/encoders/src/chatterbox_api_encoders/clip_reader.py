"""Decoding clips: PyAV reads what a person may have recorded with.

Everything about the bytes is a claim: the format is taken from a short list of demuxers, none of which opens
another file; rate and channels are those of the decoded frames; the duration is counted as decoded; the time is
limited. What cannot be decoded is left out and reported, so that a recording cut off on its way still serves.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from io import BytesIO
from typing import Any, Final, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from chatterbox_api_core.clip_report import with_advice
from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.model import Clip, ClipLimits, ClipReport, Pcm
from chatterbox_api_encoders.headers import bare_wav, promised_s, without_id3
from chatterbox_api_encoders.listening import listen
from chatterbox_api_encoders.mixing import REMEDY, Mixer, check_kind, unreadable

__all__ = ["InProcessClipReader", "check_size"]

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


class InProcessClipReader:
    """A ClipReader of wav, mp3, flac, ogg, opus, m4a, aac, webm and aiff, in threads of this process.

    A clip that crashes a decoder, or has it fill the memory, does so to this process; see `worker_clip_reader`.
    """

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        return await asyncio.to_thread(self.decode, data, limits=limits)

    def decode(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """As `read`, in the caller's thread."""
        check_size(data, limits)
        data = bare_wav(without_id3(data))
        deadline = time.monotonic() + limits.deadline_s
        mixer = Mixer(limits, deadline=deadline)
        try:
            with av.open(
                _UntilDeadline(data, deadline),
                "r",
                options={"format_whitelist": _DEMUXERS, "codec_whitelist": _DECODERS},
                timeout=limits.deadline_s,
                metadata_errors="ignore",
            ) as container:
                stream = _first_readable(container, limits)
                damaged = _decode(container, stream, mixer)
                media_type = _MEDIA_TYPES[container.format.name]
                tracks = len(container.streams.audio)
                promise_s = promised_s(data, media_type, stream)
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError, OSError, EOFError) as error:
            mixer.check_time()
            raise unreadable("it is damaged, or no audio file") from error
        pcm = _finished(mixer, limits)
        return Clip(
            pcm,
            with_advice(
                ClipReport(
                    duration_s=pcm.duration_s,
                    rate_hz=mixer.rate_hz,
                    channels=mixer.channels,
                    media_type=media_type,
                    peak_dbfs=mixer.meter.peak_dbfs,
                    clipped=mixer.meter.clipped,
                    missing_s=round(max(0.0, promise_s - pcm.duration_s), 3),
                    damaged=damaged,
                    tracks=tracks,
                    **asdict(listen(mixer.samples, rate_hz=mixer.kept_hz)),
                )
            ),
        )


def check_size(data: bytes, limits: ClipLimits) -> None:
    """Raise InvalidAudio where there are more bytes than the limits allow."""
    if len(data) > limits.max_bytes:
        raise InvalidAudio(
            f"The clip has {len(data):,} bytes; at most {limits.max_bytes:,} are allowed.",
            code="audio_too_long",
            field="voice_file",
            remedy=REMEDY,
        )


class _UntilDeadline(BytesIO):
    """The bytes; from the deadline on, they have an end, since FFmpeg does not look at the clock in every loop."""

    def __init__(self, data: bytes, deadline: float) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) if time.monotonic() < self._deadline else b""


def _first_readable(container: InputContainer, limits: ClipLimits) -> AudioStream:
    """The first track of sound that a decoder of the list reads. What it claims is checked before it is decoded."""
    streams = container.streams.audio
    if not streams:
        raise unreadable("it has no sound in it")
    known = _DECODERS.split(",")
    for stream in streams:
        if cast("Any", stream).codec_context is not None and stream.codec_context.name in known:
            check_kind(stream.rate, stream.channels, limits)
            return stream
    raise unreadable("its encoding is not read here")


def _decode(container: InputContainer, stream: AudioStream, mixer: Mixer) -> int:
    """Feed the mixer; return how many places could not be decoded. What ends in the midst of a packet just ends."""
    good = damaged = broken = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except EOFError:
            break
        except av.error.FFmpegError:
            damaged += 1
            break
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            broken += 1
            mixer.check_time()
            continue
        if frames:
            good, damaged, broken = good + 1, damaged + broken, 0
        for frame in frames:
            mixer.feed(frame)
    mixer.check_time()
    mixer.finish()
    if damaged + broken > good:
        raise unreadable("it is damaged")
    return damaged


def _finished(mixer: Mixer, limits: ClipLimits) -> Pcm:
    if not len(mixer.samples):
        raise unreadable("it has no sound in it")
    pcm = Pcm(memoryview(cast("Any", mixer.samples)), mixer.kept_hz)
    if pcm.duration_s < limits.min_duration_s:
        raise InvalidAudio(
            f"The clip lasts {pcm.duration_s:.2f} s; at least {limits.min_duration_s:g} s are needed.",
            code="audio_too_short",
            field="voice_file",
            remedy="Record 5 to 15 seconds of one person speaking.",
        )
    if not mixer.samples.any():
        raise unreadable("its channels cancel each other out" if mixer.meter.peak else "it is silent")
    return pcm
