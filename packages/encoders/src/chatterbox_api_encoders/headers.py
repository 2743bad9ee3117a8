"""What can be told of a file from its bytes alone, before FFmpeg opens it: what it is, and whether it is all there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from av.audio.stream import AudioStream

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_encoders.chunks import bare_aiff, bare_flac, bare_wav
from chatterbox_api_encoders.containers import MEDIA_TYPES, container_of, foreign_name, text_name
from chatterbox_api_encoders.endings import FileEnd
from chatterbox_api_encoders.matroska import matroska_end
from chatterbox_api_encoders.mp4 import check_boxes, is_cut_off
from chatterbox_api_encoders.mpeg import adts_end, joined_mp3, mp3_end, without_id3
from chatterbox_api_encoders.ogg import ogg_end
from chatterbox_api_encoders.refusals import cut_off, damaged, foreign, unreadable

__all__ = ["Recording", "inspected", "not_opened"]

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
"""Tracks and the pictures beside them; each costs FFmpeg some kilobytes."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that FFmpeg may open.

    Attributes:
        data: the file, or what of it FFmpeg is to see.
        demuxers: FFmpeg's names of those that may open it.
        end: what is known of the end of the file so far.
        options: for FFmpeg.
    """

    data: bytes
    demuxers: str
    end: FileEnd = field(default_factory=FileEnd)
    options: dict[str, str] = field(default_factory=dict)

    def media_type(self, demuxer: str) -> str:
        """The media type of a file that this demuxer of FFmpeg's has opened."""
        found = next((name for name, known in _DEMUXERS.items() if name and known == demuxer), demuxer)
        return MEDIA_TYPES[found]

    def end_of(self, media_type: str, stream: AudioStream) -> FileEnd:
        """What is known of the end of the file, now that FFmpeg has opened it."""
        if media_type == MEDIA_TYPES["mp3"]:
            return mp3_end(self.data)
        if media_type == MEDIA_TYPES["aac"]:
            return adts_end(self.data)
        if media_type == MEDIA_TYPES["mp4"] and stream.duration and stream.time_base:
            return FileEnd(promised_s=float(stream.duration * stream.time_base), cut_off=self.end.cut_off)
        return self.end


def inspected(data: bytes) -> Recording:
    """What the bytes are. InvalidAudio, where they are no recording that is read here, or claim what they cannot."""
    if not data:
        raise unreadable("it is empty")
    data = without_id3(data)
    container = container_of(data)
    name = foreign_name(data, certain=True) or (None if container else text_name(data))
    if name:
        raise foreign(name)
    if not any(data):
        raise unreadable("it has nothing but zeros in it", remedy="Send it again; it was not stored or sent as it is.")
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
        # A chapter may have a title of 64 KB, and many may have the same.
        return Recording(data, demuxers, FileEnd(cut_off=is_cut_off(data)), {**options, "ignore_chapters": "1"})
    return Recording(joined_mp3(data), demuxers, options=options)


def not_opened(recording: Recording) -> InvalidAudio:
    """Why FFmpeg found no sound in a file, as far as its bytes tell."""
    if recording.end.cut_off:
        return cut_off()
    if recording.demuxers != _DEMUXERS[None]:
        return damaged()
    name = foreign_name(recording.data, certain=False)
    return foreign(name) if name else unreadable("it is damaged, or no audio file")
