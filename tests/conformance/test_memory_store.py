"""The reference store keeps the contract, but for what it does not promise: nothing of it lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.reference import MemoryStore
from chatterbox_api_testkit import VoiceStoreContract


class TestMemoryStore(VoiceStoreContract):
    durable = False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[VoiceStore, None]:
        yield MemoryStore()
