"""The entry points of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import ClipReader, Encoder
from chatterbox_api_core.settings import Setting, integer, number

__all__ = ["pyav_clip_reader", "pyav_encoder", "soundfile_encoder"]

_MP3: Final = Setting("PYAV_MP3_KBPS", "128", "Bit rate of mp3, in kbit/s.", integer(96, 320))
_OPUS: Final = Setting("PYAV_OPUS_KBPS", "64", "Bit rate of opus and webm, in kbit/s.", integer(24, 256))
_AAC: Final = Setting("PYAV_AAC_KBPS", "128", "Bit rate of aac and m4a, in kbit/s.", integer(48, 256))
_VORBIS: Final = Setting("SOUNDFILE_OGG_QUALITY", "5", "Quality of ogg, from 0 to 10.", number(0, 10))
_PROCESSES: Final = Setting(
    "CLIP_READER_PROCESSES",
    "2",
    "Child processes that decode clips, one each at a time; 0 decodes in the service, which a clip may then end.",
    integer(0, 64),
)


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open_encoder(env: Mapping[str, str]) -> AsyncGenerator[Encoder, None]:
    from chatterbox_api_encoders.encoder import BitRates, PyavEncoder

    yield PyavEncoder(BitRates(mp3=_MP3.read(env), opus=_OPUS.read(env), aac=_AAC.read(env)))


@asynccontextmanager
async def _open_soundfile(env: Mapping[str, str]) -> AsyncGenerator[Encoder, None]:
    from chatterbox_api_encoders.vorbis import SoundfileEncoder

    yield SoundfileEncoder(quality=_VORBIS.read(env))


@asynccontextmanager
async def _open_clip_reader(env: Mapping[str, str]) -> AsyncGenerator[ClipReader, None]:
    processes = _PROCESSES.read(env)
    if processes == 0:
        from chatterbox_api_encoders.clip_reader import InProcessClipReader

        yield InProcessClipReader()
        return
    from chatterbox_api_encoders.worker_clip_reader import PyavClipReader

    async with PyavClipReader.open(processes=processes) as reader:
        yield reader


pyav_encoder: Final = Plugin[Encoder](settings=(_MP3, _OPUS, _AAC), state=_state, open=_open_encoder)
soundfile_encoder: Final = Plugin[Encoder](settings=(_VORBIS,), state=_state, open=_open_soundfile)
pyav_clip_reader: Final = Plugin[ClipReader](settings=(_PROCESSES,), state=_state, open=_open_clip_reader)
