"""The contract of VoiceStore: what a caller by itself may rely on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from chatterbox_api_core.errors import ChatterboxError, NameTaken, NotFound, StorageFailed
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import is_voice_id, new_voice_id
from chatterbox_api_testkit.voice_store_concurrency import VoiceStoreConcurrency, clip, in_order

__all__ = ["VoiceStoreContract"]

VOICE_GONE = ("voice_not_found", "voice")
"""Code and field of the error for a voice, or the clip of a voice, that is not there."""

SPELLINGS = {
    "Anna": ("Anna", "ANNA", "anna", "  Anna ", "\uff21\uff4e\uff4e\uff41", "An\u200bna", "\ufeffAnna", "A\u00adnna"),
    "Straße": ("strasse", "STRASSE", "straße"),
    "Café": ("cafe\u0301", "CAFÉ"),
    "two  words": ("Two Words", "two\u00a0words"),
    "🎙️ studio": ("🎙️ studio", "🎙 STUDIO"),
    "שָׁלוֹם": ("שָׁלוֹם", "\u200fשָׁלוֹם"),
    "مرحبا": ("مرحبا", "\u202bمرحبا\u202c"),
    "x" * 100: ("X" * 100,),
    "語" * 100: ("語" * 100,),
    "🎙" * 100: ("🎙" * 100,),
    ". ..": (". ..",),
    "a'b; DROP TABLE voices --": ("A'B; drop table voices --",),
    "100%": ("100%",),
    "#1 & more+x@y": ("#1 & MORE+x@y",),
}
"""Other spellings of each name. Some names have more than 255 bytes, and some would be odd names of files."""


def pinned(error: ChatterboxError) -> tuple[str, str | None]:
    """Code and field of an error that says what to do; `voices.store_errors` makes such."""
    assert error.remedy, f"{error.code} has no remedy"
    return error.code, error.field


@pytest.mark.asyncio
class VoiceStoreContract(VoiceStoreConcurrency):
    """What a VoiceStore must do. Inherit it, define `open` and set `durable`.

        class TestMyStore(VoiceStoreContract):
            durable = True

            @asynccontextmanager
            async def open(self) -> AsyncGenerator[VoiceStore, None]:
                async with MyStore.open(self.folder) as store:
                    yield store

    Attributes:
        durable: whether a second `open` within a test finds the voices of the first.
    """

    durable: ClassVar[bool]

    async def test_is_ready_once_open(self, store: VoiceStore) -> None:
        assert await store.ready() is None  # type: ignore[func-returns-value]

    async def test_an_empty_library_has_no_voice_and_no_default(self, store: VoiceStore) -> None:
        assert await store.list() == ()
        assert await store.default() is None
        assert await store.get_by_name("anna") is None
        assert await store.get(new_voice_id()) is None

    async def test_a_voice_is_found_by_id_name_and_alias(self, store: VoiceStore) -> None:
        voice = await store.add(VoiceDraft("Anna", ("Mum", "Mother")), clip(1))
        await store.add(VoiceDraft("Bert"), clip(2))
        assert is_voice_id(voice.id)
        for found in (await store.get(voice.id), await store.get_by_name("Anna"), await store.get_by_name("MUM")):
            assert found == voice
        assert voice in await store.list()
        assert await store.get_by_name(voice.id) is None, "an id is no name"
        for unknown in ("Ann", "Anna ' OR 1=1 --", "%", "", "\0"):
            assert await store.get_by_name(unknown) is None
        for unknown in ("", "Anna", "voice_", "../../voices", voice.id.upper(), f"{voice.id}\0", new_voice_id()):
            assert await store.get(unknown) is None

    @pytest.mark.parametrize("name", SPELLINGS, ids=range(len(SPELLINGS)))
    async def test_a_name_is_one_in_every_spelling(self, store: VoiceStore, name: str) -> None:
        named = await store.add(VoiceDraft(name), clip(1))
        assert named.name == name, "a name is kept as its owner spelled it"
        for spelling in SPELLINGS[name]:
            assert await store.get_by_name(spelling) == named, spelling
            with pytest.raises(NameTaken):
                await store.add(VoiceDraft(spelling), clip(2))
        await store.remove(named.id)
        aliased = await store.add(VoiceDraft("Someone", (name,)), clip(3))
        assert aliased.aliases == (name,)
        for spelling in SPELLINGS[name]:
            assert await store.get_by_name(spelling) == aliased, spelling
            with pytest.raises(NameTaken):
                await store.add(VoiceDraft("Other", (spelling,)), clip(2))
        updated = await store.update(aliased.id, VoiceChanges(remove_aliases=(SPELLINGS[name][-1],)))
        assert updated.aliases == ()
        assert await store.get_by_name(name) is None

    async def test_every_field_is_kept(self, store: VoiceStore) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)
        audio = replace(
            clip(1, size_bytes=777), duration_s=12.3456789, media_type="audio/ogg", filename="Mum's – 録音.ogg"
        )
        draft = VoiceDraft("Änna", ("Mum", "🎙"), language="pt-BR", consent="yes,\nshe 'said' \"so\" – \u2028 0")
        voice = await store.add(draft, audio)
        assert voice == Voice(
            id=voice.id,
            name=draft.name,
            aliases=voice.aliases,
            sha256=audio.sha256,
            size_bytes=777,
            duration_s=12.3456789,
            media_type="audio/ogg",
            filename="Mum's – 録音.ogg",
            language="pt-BR",
            created_at=voice.created_at,
            updated_at=voice.created_at,
            revision=1,
            consent=draft.consent,
        )
        assert sorted(voice.aliases) == sorted(draft.aliases)
        assert voice.created_at.utcoffset() == timedelta(0)
        assert before < voice.created_at < datetime.now(UTC) + timedelta(seconds=1)
        plain = await store.add(VoiceDraft("Bert"), clip(2))
        assert (plain.language, plain.consent, plain.filename, plain.aliases) == (None, None, "", ())
        assert await store.list() == in_order(voice, plain)
        found = await store.get(voice.id)
        assert found == voice
        assert found is not None
        assert found.updated_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("size_bytes", [1, 1000, 4096, 65_537, 5_000_001])
    async def test_a_clip_comes_back_byte_for_byte(self, store: VoiceStore, size_bytes: int) -> None:
        audio = clip(1, size_bytes=size_bytes)
        voice = await store.add(VoiceDraft("Anna"), audio)
        assert voice.size_bytes == size_bytes
        assert await store.read_clip(voice) == audio.data
        larger = clip(2, size_bytes=size_bytes + 1)
        assert await store.read_clip(await store.replace(voice.id, larger)) == larger.data

    async def test_a_clip_of_another_hash_is_damaged_or_left_to_the_caller(self, store: VoiceStore) -> None:
        audio = replace(clip(1), sha256="0" * 64)
        voice = await store.add(VoiceDraft("Anna"), audio)
        (outcome,) = await asyncio.gather(store.read_clip(voice), return_exceptions=True)
        if isinstance(outcome, StorageFailed):
            assert pinned(outcome) == ("voice_damaged", "voice")
        else:
            assert outcome == audio.data

    async def test_two_voices_may_have_one_clip(self, store: VoiceStore) -> None:
        one, two = [await store.add(VoiceDraft(name), clip(1)) for name in ("Anna", "Bert")]
        assert one.id != two.id
        await store.remove(one.id)
        assert await store.read_clip(two) == clip(1).data

    async def test_a_taken_name_is_refused_and_nothing_is_half_done(self, store: VoiceStore) -> None:
        anna = await store.add(VoiceDraft("Anna", ("Mum",)), clip(1))
        bert = await store.add(VoiceDraft("Bert", ("Dad",)), clip(2))
        for taken in ("anna", "MUM"):
            for draft in (VoiceDraft(taken), VoiceDraft("New", (taken,)), VoiceDraft("New", ("Newer", taken))):
                with pytest.raises(NameTaken) as caught:
                    await store.add(draft, clip(3))
                assert pinned(caught.value) == ("name_taken", "name" if draft.name == taken else "alias")
            for changes in (
                VoiceChanges(name=taken, language="de"),
                VoiceChanges(add_aliases=(taken,), consent="x"),
                VoiceChanges(name="New", add_aliases=("Newer", taken), remove_aliases=("Dad",)),
            ):
                with pytest.raises(NameTaken) as caught:
                    await store.update(bert.id, changes)
                assert pinned(caught.value) == ("name_taken", "name" if changes.name == taken else "alias")
        assert await store.list() == in_order(anna, bert)
        assert await store.get_by_name("dad") == bert
        for free in ("New", "Newer"):
            assert await store.get_by_name(free) is None
        assert await store.read_clip(bert) == clip(2).data
        await store.add(VoiceDraft("New", ("Newer",)), clip(3))

    async def test_replace_gives_another_clip_and_the_old_one_is_gone(self, store: VoiceStore) -> None:
        old = await store.add(VoiceDraft("Anna", ("Mum",), "en", "yes"), clip(1))
        await asyncio.sleep(0.002)
        audio = replace(clip(2, size_bytes=20), duration_s=3.25, media_type="audio/flac", filename="two.flac")
        new = await store.replace(old.id, audio)
        assert new == replace(
            old,
            sha256=audio.sha256,
            size_bytes=20,
            duration_s=3.25,
            media_type="audio/flac",
            filename="two.flac",
            revision=2,
            updated_at=new.updated_at,
        )
        assert new.updated_at > old.updated_at
        assert await store.get_by_name("mum") == new
        assert await store.read_clip(new) == audio.data
        with pytest.raises(NotFound) as caught:
            await store.read_clip(old)
        assert pinned(caught.value) == VOICE_GONE

    async def test_update_leaves_out_what_it_does_not_name(self, store: VoiceStore) -> None:
        old = await store.add(VoiceDraft("Anna", ("Mum",), "en", "yes"), clip(1))
        await asyncio.sleep(0.002)
        assert (await store.update(old.id, VoiceChanges(language="de"))).consent == "yes"
        assert (await store.update(old.id, VoiceChanges(consent="no"))).language == "de"
        cleared = await store.update(old.id, VoiceChanges(language=None, consent=None))
        assert cleared == replace(old, language=None, consent=None, revision=4, updated_at=cleared.updated_at)
        assert cleared.updated_at > old.updated_at
        assert await store.get(old.id) == cleared
        assert await store.read_clip(old) == await store.read_clip(cleared) == clip(1).data

    async def test_rename_frees_the_old_name(self, store: VoiceStore) -> None:
        anna = await store.add(VoiceDraft("Anna", ("Mum",)), clip(1))
        renamed = await store.update(anna.id, VoiceChanges(name="Anne"))
        assert (renamed.name, renamed.aliases) == ("Anne", ("Mum",))
        assert await store.get_by_name("anna") is None
        assert await store.get_by_name("anne") == await store.get_by_name("mum") == renamed
        other = await store.add(VoiceDraft("Anna"), clip(2))
        respelled = await store.update(anna.id, VoiceChanges(name="ANNE"))
        assert respelled.name == "ANNE", "a voice may spell its own name anew"
        assert await store.get_by_name("anna") == other

    async def test_aliases_come_and_go(self, store: VoiceStore) -> None:
        anna = await store.add(VoiceDraft("Anna", ("Mum",)), clip(1))
        more = await store.update(anna.id, VoiceChanges(add_aliases=("Mama", "MUM", "mama", "anna")))
        assert sorted(more.aliases) == ["Mama", "Mum"], "one of each, as first spelled, and never the name"
        less = await store.update(anna.id, VoiceChanges(add_aliases=("Mommy",), remove_aliases=("MAMA", "unknown")))
        assert sorted(less.aliases) == ["Mommy", "Mum"]
        assert await store.get_by_name("mama") is None
        swapped = await store.update(anna.id, VoiceChanges(name="mum", add_aliases=("Anna",)))
        assert (swapped.name, sorted(swapped.aliases)) == ("mum", ["Anna", "Mommy"])
        for name in ("anna", "mommy", "Mum"):
            assert await store.get_by_name(name) == swapped
        kept = await store.update(anna.id, VoiceChanges(remove_aliases=("mum",)))
        assert kept.name == "mum", "a name is no alias to remove"

    async def test_removal_frees_names_and_default(self, store: VoiceStore) -> None:
        anna = await store.add(VoiceDraft("Anna", ("Mum",)), clip(1))
        await store.set_default(anna.id)
        await store.remove(anna.id)
        assert await store.default() is None
        assert await store.get(anna.id) is None
        assert await store.get_by_name("anna") is None
        assert await store.list() == ()
        for call in (
            store.remove(anna.id),
            store.set_default(anna.id),
            store.replace(anna.id, clip(2)),
            store.update(anna.id, VoiceChanges(language="de")),
            store.read_clip(anna),
        ):
            with pytest.raises(NotFound) as caught:
                await call
            assert pinned(caught.value) == VOICE_GONE
        again = await store.add(VoiceDraft("Mum", ("Anna",)), clip(3))
        assert again.id != anna.id
        assert await store.default() is None

    @pytest.mark.parametrize("unknown", ["", "Anna", "../x", "voice_\0", "voice_" + "0" * 26])
    async def test_what_is_unknown_is_not_found(self, store: VoiceStore, unknown: str) -> None:
        for call in (
            store.remove(unknown),
            store.set_default(unknown),
            store.replace(unknown, clip(1)),
            store.update(unknown, VoiceChanges(name="Bert")),
        ):
            with pytest.raises(NotFound) as caught:
                await call
            assert pinned(caught.value) == VOICE_GONE

    async def test_the_default_is_one_voice_or_none(self, store: VoiceStore) -> None:
        anna, bert = [await store.add(VoiceDraft(name), clip(1)) for name in ("Anna", "Bert")]
        await store.set_default(anna.id)
        assert await store.default() == anna
        await store.set_default(bert.id)
        with pytest.raises(NotFound):
            await store.set_default(new_voice_id())
        assert await store.default() == bert
        renamed = await store.update(bert.id, VoiceChanges(name="Bertha"))
        assert await store.default() == renamed
        replaced = await store.replace(bert.id, clip(2))
        assert await store.default() == replaced
        await store.remove(anna.id)
        assert await store.default() == replaced
        for _ in range(2):
            await store.set_default(None)
            assert await store.default() is None

    async def test_pages_follow_one_another(self, store: VoiceStore) -> None:
        voices = [await store.add(VoiceDraft(f"v{i}", (f"w{i}",)), clip(i)) for i in range(7)]
        ordered = in_order(*voices)
        for limit in (1, 2, 3, 6, 7, 1000):
            found: list[Voice] = []
            after: str | None = None
            while page := await store.list(after=after, limit=limit):
                assert len(page) <= limit
                found += page
                after = page[-1].id
            assert tuple(found) == ordered
        await store.remove(ordered[3].id)
        assert await store.list(after=ordered[3].id, limit=2) == ordered[4:6], "that id need not exist"
        assert await store.list(after=new_voice_id(now_ms=0)) == ordered[:3] + ordered[4:]
        assert await store.list(after=ordered[-1].id) == ()

    async def test_what_is_kept_is_there_when_opened_again(self) -> None:
        if not self.durable:
            pytest.skip("declares that nothing lasts")
        async with self.open() as store:
            anna = await store.add(VoiceDraft("Änna", ("Mum", "🎙"), "en", "yes"), clip(1, size_bytes=100_000))
            bert = await store.add(VoiceDraft("Bert"), clip(2))
            gone = await store.add(VoiceDraft("Gone"), clip(3))
            bert = await store.replace(bert.id, clip(4))
            bert = await store.update(bert.id, VoiceChanges(name="Bertha", add_aliases=("B",)))
            await store.set_default(anna.id)
            await store.remove(gone.id)
        async with self.open() as store:
            assert await store.list() == in_order(anna, bert)
            assert await store.default() == anna
            assert await store.get_by_name("b") == bert
            assert await store.read_clip(anna) == clip(1, size_bytes=100_000).data
            assert await store.read_clip(bert) == clip(4).data
            assert await store.get_by_name("Gone") is None
            with pytest.raises(NameTaken):
                await store.add(VoiceDraft("MUM"), clip(5))
            await store.set_default(None)
        async with self.open() as store:
            assert await store.default() is None
