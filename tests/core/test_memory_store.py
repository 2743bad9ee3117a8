"""The reference store keeps names unique and changes whole."""

from __future__ import annotations

import pytest

from chatterbox_api_core.errors import NameTaken, NotFound
from chatterbox_api_core.reference import MemoryStore
from chatterbox_api_core.types import VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import new_voice_id

ONE, TWO = VoiceAudio(b"one", "1" * 64, 1.0), VoiceAudio(b"two", "2" * 64, 2.0)


async def test_a_voice_is_found_by_id_name_and_alias() -> None:
    store = MemoryStore()
    voice = await store.add(VoiceDraft("Anna", ("Mum",)), ONE)
    assert await store.get(voice.id) == voice
    assert await store.get_by_name("ANNA") == voice
    assert await store.get_by_name("mum") == voice
    assert await store.get_by_name("Bert") is None
    assert await store.read_clip(voice) == b"one"


async def test_a_name_belongs_to_one_voice() -> None:
    store = MemoryStore()
    anna = await store.add(VoiceDraft("Anna", ("Mum",)), ONE)
    bert = await store.add(VoiceDraft("Bert"), TWO)
    for taken in ("anna", "MUM"):
        with pytest.raises(NameTaken):
            await store.add(VoiceDraft(taken), TWO)
        with pytest.raises(NameTaken):
            await store.update(bert.id, VoiceChanges(name=taken))
        with pytest.raises(NameTaken):
            await store.update(bert.id, VoiceChanges(name="Fine", add_aliases=(taken,)))
    assert await store.get_by_name("Fine") is None, "a refused change leaves nothing behind"
    assert await store.get_by_name("bert") == bert
    await store.update(anna.id, VoiceChanges(name="Anne", remove_aliases=("MUM",)))
    await store.add(VoiceDraft("Mum", ("Anna",)), TWO)


async def test_an_alias_is_kept_once() -> None:
    store = MemoryStore()
    voice = await store.add(VoiceDraft("Anna", ("Mum",)), ONE)
    updated = await store.update(voice.id, VoiceChanges(add_aliases=("MUM", "anna", "Mama", "mama")))
    assert updated.aliases == ("Mama", "Mum")


async def test_replace_revises_and_the_old_clip_is_gone() -> None:
    store = MemoryStore()
    old = await store.add(VoiceDraft("Anna"), ONE)
    new = await store.replace(old.id, TWO)
    assert (new.revision, new.sha256, new.size_bytes, new.duration_s) == (2, TWO.sha256, 3, 2.0)
    assert await store.read_clip(new) == b"two"
    with pytest.raises(NotFound):
        await store.read_clip(old)


async def test_removal_frees_names_and_default() -> None:
    store = MemoryStore()
    voice = await store.add(VoiceDraft("Anna"), ONE)
    await store.set_default(voice.id)
    assert await store.default() == voice
    await store.remove(voice.id)
    assert await store.default() is None
    assert await store.get(voice.id) is None
    await store.add(VoiceDraft("Anna"), ONE)
    for call in (store.remove(voice.id), store.set_default(voice.id), store.replace(voice.id, ONE)):
        with pytest.raises(NotFound):
            await call


async def test_pages_follow_one_another() -> None:
    store = MemoryStore()
    voices = [await store.add(VoiceDraft(f"v{i}"), ONE) for i in range(7)]
    ordered = sorted(voice.id for voice in voices)
    found: list[str] = []
    after: str | None = None
    while page := await store.list(after=after, limit=3):
        found += [voice.id for voice in page]
        after = page[-1].id
    assert found == ordered
    assert await store.list(after=new_voice_id(now_ms=0), limit=100) == await store.list()
