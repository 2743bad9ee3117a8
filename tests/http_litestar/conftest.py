"""A library and a speaking service behind one server."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest_asyncio
from support.in_process import serving, speech_service

from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer


@pytest_asyncio.fixture
async def library() -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client of a service with an empty library; its tone engine hums at the frequency of the voice's clip."""
    store = MemoryStore()
    async with serving(speech_service(ToneSynthesizer(), store=store), store=store) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            yield client
