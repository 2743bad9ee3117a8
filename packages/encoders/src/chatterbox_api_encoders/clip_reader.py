"""The ClipReader on PyAV that decodes in this process.

It trusts no declaration of a file. Only demuxers of a short list may open it, and none of them opens another file. The
sample rate and the channels are those of the decoded frames, the duration is counted while decoding, and the time is
limited. Parts that cannot be decoded are left out and reported, so that a recording that was cut off is still usable.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from io import BytesIO
from typing import Any, Final, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from chatterbox_api_core.types import Clip, ClipLimits, ClipReport, Pcm
from chatterbox_api_core.voices import clip_refusals
from chatterbox_api_core.voices.clip_report import with_advice
from chatterbox_api_encoders import errors
from chatterbox_api_encoders.errors import unreadable
from chatterbox_api_encoders.headers import error_from_open, inspect_file
from chatterbox_api_encoders.measurement import measure_clip
from chatterbox_api_encoders.mixing import Mixer
from chatterbox_api_encoders.offset import without_offset

__all__ = ["InProcessClipReader"]

_DECODERS: Final = (
    "mp3,mp3float,mp2,mp2float,flac,vorbis,opus,libopus,aac,alac,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,pcm_alaw,"
    "pcm_mulaw,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,"
    "pcm_f64le,pcm_f64be"
)
"""It contains no decoder of pictures: on opening, FFmpeg decodes the first frame of each track, however large."""


class InProcessClipReader:
    """A ClipReader of wav, mp3, flac, ogg, opus, m4a, aac, webm and aiff, in threads of this process.

        clip = await InProcessClipReader().read(data, limits=ClipLimits())
        print(clip.report.duration_s, clip.report.advice)

    A clip that crashes a decoder or fills the memory does so to this process; `worker_clip_reader` prevents that.
    """

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """Decode a clip in a thread, as the port says. Raises InvalidAudio where the clip is refused."""
        return await asyncio.to_thread(self.decode, data, limits=limits)

    def decode(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """Decode a clip in the thread of the caller.

        Raises:
            InvalidAudio: the clip is refused.
            MemoryError: the memory does not suffice.
        """
        clip_refusals.check_size(data, limits)
        deadline = time.monotonic() + limits.deadline_s
        recording = inspect_file(data)
        mixer = Mixer(limits, deadline=deadline)
        try:
            with av.open(
                _UntilDeadline(recording.data, deadline),
                "r",
                options={
                    "format_whitelist": recording.demuxers,
                    "codec_whitelist": _DECODERS,
                    **recording.options,
                },
                timeout=limits.deadline_s,
                metadata_errors="ignore",
            ) as container:
                mixer.check_time()  # after the deadline the input ends, so a file may seem to have no sound
                stream = _first_readable(container, limits)
                damaged = _decode(container, stream, mixer)
                media_type = recording.media_type(container.format.name)
                tracks = len(container.streams.audio)
                end = recording.end_of(media_type, stream)
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError, OSError, EOFError) as error:
            mixer.check_time()
            raise error_from_open(recording) from error
        pcm = _finished(mixer, limits)
        missing_s = round(end.missing_s(pcm.duration_s), 3)
        return Clip(
            pcm,
            with_advice(
                ClipReport(
                    duration_s=pcm.duration_s,
                    sample_rate_hz=mixer.sample_rate_hz,
                    channels=mixer.channels,
                    media_type=media_type,
                    peak_dbfs=mixer.meter.peak_dbfs,
                    clipped=mixer.meter.clipped,
                    missing_s=missing_s,
                    cut_off=end.cut_off,
                    damaged=damaged,
                    tracks=tracks,
                    **asdict(measure_clip(np.asarray(pcm.samples), sample_rate_hz=pcm.sample_rate_hz)),
                )
            ),
        )


class _UntilDeadline(BytesIO):
    """The bytes of a file. They end at the deadline, since FFmpeg does not check the time in every loop."""

    def __init__(self, data: bytes, deadline: float) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size) if time.monotonic() < self._deadline else b""


def _first_readable(container: InputContainer, limits: ClipLimits) -> AudioStream:
    """The first audio track that a decoder of the list reads. Its declared rate and channels are checked first."""
    streams = container.streams.audio
    if not streams and container.streams.video:
        raise unreadable("it has pictures and no sound")
    if not streams:
        raise clip_refusals.no_sound()
    known = _DECODERS.split(",")
    for stream in streams:
        if cast("Any", stream).codec_context is not None and stream.codec_context.name in known:
            clip_refusals.check_kind(stream.rate, stream.channels, limits)
            return stream
    raise unreadable(f"its encoding{_encoding(streams[0])} is not supported")


def _encoding(stream: AudioStream) -> str:
    """The name of a track's encoding in brackets; empty where FFmpeg has none."""
    context = cast("Any", stream).codec_context
    return f" ({context.codec.long_name})" if context is not None else ""


def _decode(container: InputContainer, stream: AudioStream, mixer: Mixer) -> int:
    """Decode into the mixer. Returns how many places could not be decoded; a file that ends in a packet just ends."""
    good = damaged = broken = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except EOFError:
            break
        except MemoryError:  # PyAV's MemoryError is an FFmpegError too
            raise
        except av.error.FFmpegError:
            damaged += 1
            break
        if packet is None:
            break
        mixer.check_time()
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            broken += 1
            continue
        if frames:
            good, damaged, broken = good + 1, damaged + broken, 0
        for frame in frames:
            mixer.feed(frame)
    mixer.check_time()
    mixer.finish()
    if damaged + broken > good:
        raise errors.damaged()
    return damaged


def _finished(mixer: Mixer, limits: ClipLimits) -> Pcm:
    """The decoded clip without its offset. Raises InvalidAudio where it is too short or silent."""
    if not len(mixer.samples):
        raise clip_refusals.no_sound()
    duration_s = len(mixer.samples) / mixer.kept_hz
    if duration_s < limits.min_duration_s:
        raise clip_refusals.too_short(duration_s, limits)
    samples = without_offset(mixer.samples, sample_rate_hz=mixer.kept_hz)
    if not samples.any():
        raise clip_refusals.silent(cancelled=mixer.meter.moved and mixer.channels > 1)
    return Pcm(memoryview(cast("Any", samples)), mixer.kept_hz)
