"""The entry points of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from chatterbox_api_core.plugins import Absent, Plugin, Ready, State
from chatterbox_api_core.ports import Encoder, Synthesizer, VoiceStore
from chatterbox_api_core.settings import Setting, integer, path

__all__ = ["encoder", "synthesizer", "voice_store"]

FOLDER: Final = Setting("ACME_FOLDER", "", "The folder of Acme's voices.", path)
LETTER_MS: Final = Setting("ACME_LETTER_MS", "60", "How long Acme buzzes per letter.", integer(20, 200))


def _always(env: Mapping[str, str]) -> State:
    return Ready()


def _with_folder(env: Mapping[str, str]) -> State:
    return Ready() if FOLDER.is_set(env) else Absent("ACME_FOLDER is not set")


@asynccontextmanager
async def _open_synthesizer(env: Mapping[str, str]) -> AsyncGenerator[Synthesizer, None]:
    from acme_speech.synthesizer import BuzzSynthesizer

    yield BuzzSynthesizer(letter_ms=LETTER_MS.read(env))


@asynccontextmanager
async def _open_encoder(env: Mapping[str, str]) -> AsyncGenerator[Encoder, None]:
    from acme_speech.encoder import AuEncoder

    yield AuEncoder()


@asynccontextmanager
async def _open_voice_store(env: Mapping[str, str]) -> AsyncGenerator[VoiceStore, None]:
    from acme_speech.store import FolderStore

    async with FolderStore.open(FOLDER.read(env) or Path()) as store:
        yield store


synthesizer: Final = Plugin[Synthesizer](settings=(LETTER_MS,), state=_always, open=_open_synthesizer)
encoder: Final = Plugin[Encoder](settings=(), state=_always, open=_open_encoder)
voice_store: Final = Plugin[VoiceStore](settings=(FOLDER,), state=_with_folder, open=_open_voice_store)
