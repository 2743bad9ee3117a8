"""The entry points of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.plugins import Plugin, Ready
from chatterbox_api_core.ports import ClipReader, Encoder

__all__ = ["pyav_clip_reader", "pyav_encoder"]


def _state(env: Mapping[str, str]) -> Ready:
    return Ready()


@asynccontextmanager
async def _open_encoder(env: Mapping[str, str]) -> AsyncGenerator[Encoder, None]:
    from chatterbox_api_encoders.encoder import PyavEncoder

    yield PyavEncoder()


@asynccontextmanager
async def _open_clip_reader(env: Mapping[str, str]) -> AsyncGenerator[ClipReader, None]:
    from chatterbox_api_encoders.clip_reader import PyavClipReader

    yield PyavClipReader()


pyav_encoder: Final = Plugin[Encoder](settings=(), state=_state, open=_open_encoder)
pyav_clip_reader: Final = Plugin[ClipReader](settings=(), state=_state, open=_open_clip_reader)
