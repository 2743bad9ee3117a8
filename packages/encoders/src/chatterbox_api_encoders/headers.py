"""Inspects a file before FFmpeg opens it: its container, whether it is plausible, and whether it is complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from av.audio.stream import AudioStream

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_encoders.chunks import bare_aiff, bare_flac, bare_wav
from chatterbox_api_encoders.containers import MEDIA_TYPES, container_of, foreign_name, text_name
from chatterbox_api_encoders.endings import FileEnd
from chatterbox_api_encoders.errors import cut_off, damaged, unreadable, unsupported
from chatterbox_api_encoders.matroska import matroska_end
from chatterbox_api_encoders.mp4 import check_boxes, is_cut_off
from chatterbox_api_encoders.mpeg import adts_end, joined_mp3, mp3_end, without_id3
from chatterbox_api_encoders.ogg import ogg_end

__all__ = ["Recording", "error_from_open", "inspect_file"]

_DEMUXERS: Final = {
    # container: FFmpeg's name of its demuxer, or several
    "wav": "wav",
    "flac": "flac",
    "ogg": "ogg",
    "mp4": "mov,mp4,m4a,3gp,3g2,mj2",
    "webm": "matroska,webm",
    "aiff": "aiff",
    None: "mp3,aac,flac",
}
_STREAMS: Final = "32"
"""The most tracks and pictures that FFmpeg opens; each takes some kilobytes."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that FFmpeg may open.

    Attributes:
        data: the bytes for FFmpeg: the file, or its sound alone.
        demuxers: the demuxers that may open it, as a list of FFmpeg's names.
        end: what the bytes tell about the end of the file.
        options: options for FFmpeg.
    """

    data: bytes
    demuxers: str
    end: FileEnd = field(default_factory=FileEnd)
    options: dict[str, str] = field(default_factory=dict)

    def media_type(self, demuxer: str) -> str:
        """The media type of the file, by the name of the demuxer that opened it."""
        found = next((name for name, known in _DEMUXERS.items() if name and known == demuxer), demuxer)
        return MEDIA_TYPES[found]

    def end_of(self, media_type: str, stream: AudioStream) -> FileEnd:
        """What is known about the end of the file after FFmpeg has opened it."""
        if media_type == MEDIA_TYPES["mp3"]:
            return mp3_end(self.data)
        if media_type == MEDIA_TYPES["aac"]:
            return adts_end(self.data)
        if media_type == MEDIA_TYPES["mp4"] and stream.duration and stream.time_base:
            return FileEnd(declared_s=float(stream.duration * stream.time_base), cut_off=self.end.cut_off)
        return self.end


def inspect_file(data: bytes) -> Recording:
    """Find the container of a file and check its header.

    Raises:
        InvalidAudio: the file is of an unsupported kind, empty, or declares more than it can contain.
    """
    if not data:
        raise unreadable("it is empty")
    data = without_id3(data)
    container = container_of(data)
    name = foreign_name(data, certain=True) or (None if container else text_name(data))
    if name:
        raise unsupported(name)
    if not any(data):
        raise unreadable("it contains only zeros", remedy="Send it again. It was damaged when it was stored or sent.")
    demuxers = _DEMUXERS[container]
    options = {"max_streams": _STREAMS}
    if container in ("wav", "aiff", "flac"):
        bare, end = {"wav": bare_wav, "aiff": bare_aiff, "flac": bare_flac}[container](data)
        return Recording(bare, demuxers, end, options)
    if container == "ogg":
        return Recording(data, demuxers, ogg_end(data), options)
    if container == "webm":
        return Recording(data, demuxers, matroska_end(data), options)
    if container == "mp4":
        check_boxes(data)
        # A chapter may have a title of 64 KB, and many chapters may share one.
        return Recording(data, demuxers, FileEnd(cut_off=is_cut_off(data)), {**options, "ignore_chapters": "1"})
    return Recording(joined_mp3(data), demuxers, options=options)


def error_from_open(recording: Recording) -> InvalidAudio:
    """The error for a file that FFmpeg could not open, with the reason that its bytes tell."""
    if recording.end.cut_off:
        return cut_off()
    if recording.demuxers != _DEMUXERS[None]:
        return damaged()
    name = foreign_name(recording.data, certain=False)
    return unsupported(name) if name else unreadable("it is damaged or not an audio file")
