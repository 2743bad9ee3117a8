"""The entry points of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import ClipReader, Encoder
from chatterbox_api_encoders import settings

__all__ = ["pyav_clip_reader", "pyav_encoder", "soundfile_encoder"]


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open_encoder(env: Mapping[str, str]) -> AsyncGenerator[Encoder, None]:
    from chatterbox_api_encoders.encoder import BitRates, PyavEncoder

    yield PyavEncoder(
        BitRates(mp3=settings.MP3_KBPS.read(env), opus=settings.OPUS_KBPS.read(env), aac=settings.AAC_KBPS.read(env))
    )


@asynccontextmanager
async def _open_soundfile(env: Mapping[str, str]) -> AsyncGenerator[Encoder, None]:
    from chatterbox_api_encoders.vorbis import SoundfileEncoder

    yield SoundfileEncoder(quality=settings.OGG_QUALITY.read(env))


@asynccontextmanager
async def _open_clip_reader(env: Mapping[str, str]) -> AsyncGenerator[ClipReader, None]:
    processes = settings.CLIP_READER_PROCESSES.read(env)
    if processes == 0:
        from chatterbox_api_encoders.clip_reader import InProcessClipReader

        yield InProcessClipReader()
        return
    from chatterbox_api_encoders.worker_clip_reader import PyavClipReader

    async with PyavClipReader.open(processes=processes) as reader:
        yield reader


pyav_encoder: Final = Plugin[Encoder](
    settings=(settings.MP3_KBPS, settings.OPUS_KBPS, settings.AAC_KBPS), state=_state, open=_open_encoder
)
soundfile_encoder: Final = Plugin[Encoder](settings=(settings.OGG_QUALITY,), state=_state, open=_open_soundfile)
pyav_clip_reader: Final = Plugin[ClipReader](
    settings=(settings.CLIP_READER_PROCESSES,), state=_state, open=_open_clip_reader
)
