"""The store on local disk keeps the contract, and keeps what it holds."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit import VoiceStoreContract


class TestLocalStore(VoiceStoreContract):
    durable = True
    folder: Path

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "voices"

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[VoiceStore, None]:
        async with LocalStore.open(self.folder) as store:
            yield store
