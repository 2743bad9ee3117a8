"""What was looked up a moment ago is at hand, and never older than the folder."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from chatterbox_api_core.types import Voice, VoiceChanges, VoiceDraft
from chatterbox_api_storage_local.database import open_for_reading, transaction
from chatterbox_api_storage_local.recent_voices import UNKNOWN, RecentVoices
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit.voice_store_concurrency import clip


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_voice_is_remembered_for_a_second_while_nobody_writes(tmp_path: Path) -> None:
    clock = Clock()
    async with LocalStore.open(tmp_path) as store:
        anna = await store.add(VoiceDraft("Anna"), clip(1))
        recent = RecentVoices(open_for_reading(tmp_path / "voices.db"), clock=clock)
        recent.remember("anna", anna, recent.state())
        recent.remember("bert", None, recent.state())
        assert (recent.get("anna"), recent.get("bert"), recent.get("clara")) == (anna, None, UNKNOWN)
        clock.now_s = 0.9
        assert recent.get("anna") == anna
        clock.now_s = 1.1
        assert recent.get("anna") is UNKNOWN
        recent.remember("anna", anna, recent.state())
        await store.update(anna.id, VoiceChanges(language="de"))
        assert recent.get("anna") is UNKNOWN, "somebody has written"
        recent.close()
        assert recent.get("anna") is UNKNOWN
        assert recent.state() is None


async def test_a_change_between_the_question_and_the_answer_is_noticed(tmp_path: Path) -> None:
    async with LocalStore.open(tmp_path) as store:
        anna = await store.add(VoiceDraft("Anna"), clip(1))
        recent = RecentVoices(open_for_reading(tmp_path / "voices.db"))
        before = recent.state()
        await store.update(anna.id, VoiceChanges(language="de"))
        recent.remember("anna", anna, before)
        assert recent.get("anna") is UNKNOWN
        recent.close()


async def test_a_database_that_is_locked_makes_nobody_wait(tmp_path: Path) -> None:
    async with LocalStore.open(tmp_path) as store:
        await store.add(VoiceDraft("Anna"), clip(1))
        recent = RecentVoices(open_for_reading(tmp_path / "voices.db"))
        with sqlite3.connect(tmp_path / "voices.db", isolation_level=None) as other, transaction(other):
            async with asyncio.timeout(5):
                assert recent.state() is not None
        other.close()
        recent.close()


@pytest.mark.parametrize("warm", [False, True])
async def test_each_write_is_seen_by_the_next_look_up(tmp_path: Path, warm: bool) -> None:
    async with LocalStore.open(tmp_path) as one, LocalStore.open(tmp_path) as other:

        async def seen(name: str) -> list[Voice | None]:
            for _ in range(2 if warm else 0):
                await asyncio.gather(one.get_by_name(name), other.get_by_name(name))
            return list(await asyncio.gather(one.get_by_name(name), other.get_by_name(name)))

        assert await seen("Anna") == [None, None]
        anna = await one.add(VoiceDraft("Anna"), clip(1))
        assert await seen("Anna") == [anna, anna]
        renamed = await other.update(anna.id, VoiceChanges(name="Anne"))
        assert await seen("Anna") == [None, None]
        assert await seen("Anne") == [renamed, renamed]
        await one.remove(anna.id)
        assert await seen("Anne") == [None, None]
        assert await other.get(anna.id) is None
