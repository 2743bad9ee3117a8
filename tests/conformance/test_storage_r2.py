"""The store on R2 keeps the contract of stores: on moto, and on Cloudflare's own local R2 where that runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.r2_stores import new_prefix, open_store
from support.s3_servers import S3Server

from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_testkit import VoiceStoreContract


class TestR2Store(VoiceStoreContract):
    """As it is run: what it knows stays fresh for a while, and its mirror on disk lasts from one start to the next."""

    durable = True
    server: S3Server
    prefix: str
    mirror_path: Path | None

    @pytest.fixture(autouse=True)
    def _in_a_library_of_its_own(self, s3_server: S3Server, tmp_path: Path) -> None:
        self.server, self.prefix, self.mirror_path = s3_server, new_prefix(), tmp_path / "mirror.db"

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[VoiceStore, None]:
        async with open_store(self.server, prefix=self.prefix, mirror_path=self.mirror_path) as store:
            yield store


class TestR2StoreAskingEveryTime(TestR2Store):
    """With nothing fresh and no mirror that lasts, so that all of it comes from the bucket."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[VoiceStore, None]:
        async with open_store(self.server, prefix=self.prefix, fresh_s=0) as store:
            yield store
