"""The settings of this package."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.settings import Setting, integer, number

__all__ = ["AAC_KBPS", "CLIP_READER_PROCESSES", "MP3_KBPS", "OGG_QUALITY", "OPUS_KBPS"]

MP3_KBPS: Final = Setting("PYAV_MP3_KBPS", "128", "Bit rate of mp3, in kbit/s.", integer(96, 320))
OPUS_KBPS: Final = Setting("PYAV_OPUS_KBPS", "64", "Bit rate of opus and webm, in kbit/s.", integer(24, 256))
AAC_KBPS: Final = Setting("PYAV_AAC_KBPS", "128", "Bit rate of aac and m4a, in kbit/s.", integer(48, 256))
OGG_QUALITY: Final = Setting("SOUNDFILE_OGG_QUALITY", "5", "Quality of ogg, from 0 to 10.", number(0, 10))
CLIP_READER_PROCESSES: Final = Setting(
    "CLIP_READER_PROCESSES",
    "2",
    "Child processes that decode clips, one each at a time; 0 decodes in the service, which a clip may then end.",
    integer(0, 64),
)
