"""A library and a speaking service behind one server."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest_asyncio
from support.in_process import serving, speech_service

from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served_library() -> AsyncGenerator[tuple[str, MemoryStore], None]:
    """The address of one service for all tests of a module, and its store."""
    store = MemoryStore()
    async with serving(speech_service(ToneSynthesizer(), store=store), store=store) as url:
        yield url, store


@pytest_asyncio.fixture(loop_scope="module")
async def library(served_library: tuple[str, MemoryStore]) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client of a service with an empty library; its tone engine hums at the frequency of the voice's clip.

    A module whose tests take it is marked `pytest.mark.asyncio(loop_scope="module")`.
    """
    url, store = served_library
    while voices := await store.list():
        for voice in voices:
            await store.remove(voice.id)
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client
