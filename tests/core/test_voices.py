"""The library: what people do with voices, and what they are told."""

from __future__ import annotations

import hashlib
import time

import pytest

from chatterbox_api_core.errors import InvalidAudio, InvalidInput, NameTaken, NotFound, StorageFailed
from chatterbox_api_core.reference import MemoryStore, WavReader
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceDraft
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.names import new_voice_id
from chatterbox_api_testkit.sounds import sine, wav

ONE, TWO = wav(sine(300, 1.5, sample_rate_hz=8000)), wav(sine(400, 2.5, sample_rate_hz=8000))


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.fetched = 0

    async def read_clip(self, voice: Voice) -> bytes:
        self.fetched += 1
        return await super().read_clip(voice)


def library(store: MemoryStore | None = None) -> VoiceLibrary:
    return VoiceLibrary(store=store or MemoryStore(), clip_reader=WavReader())


async def test_created_it_is_found_in_every_spelling_and_its_clip_is_at_hand() -> None:
    store = CountingStore()
    voices = library(store)
    voice, report = await voices.create("Anna", ONE, filename="me.wav", aliases=("Mum",), language="en", consent="yes")
    assert (voice.duration_s, voice.size_bytes, voice.media_type) == (1.5, len(ONE), "audio/wav")
    assert (voice.filename, voice.aliases, voice.language, voice.consent) == ("me.wav", ("Mum",), "en", "yes")
    assert report.duration_s == 1.5
    for spelling in ("anna", "ＡＮＮＡ", "An\u200bna", "mum", voice.id, f" {voice.id.upper()} "):
        assert await voices.get(spelling) == voice
    assert await voices.read_clip(voice) == ONE
    assert store.fetched == 0
    replaced, _ = await voices.replace("anna", TWO)
    assert await voices.read_clip(replaced) == TWO
    assert store.fetched == 0
    with pytest.raises(NotFound):
        await voices.read_clip(voice)


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\voice.wav", "voice.wav"),
        ("a\nb\0c.wav", "abc.wav"),
        ("x" * 300 + ".wav", "x" * 255),
        ("Änne 😀.wav", "Änne 😀.wav"),
        ("", ""),
    ],
)
async def test_a_file_name_is_only_shown(filename: str, shown: str) -> None:
    voice, _ = await library().create("Anna", ONE, filename=filename)
    assert voice.filename == shown


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        ({"name": ""}, "invalid_name", "name"),
        ({"name": "default"}, "invalid_name", "name"),
        ({"name": "a/b"}, "invalid_name", "name"),
        ({"aliases": ("a/b",)}, "invalid_name", "aliases"),
        ({"aliases": tuple(f"a{i}" for i in range(21))}, "too_many_aliases", "alias"),
        ({"language": "not a tag!"}, "invalid_language", "language"),
        ({"language": "x" * 36}, "invalid_language", "language"),
        ({"consent": "y" * 4001}, "invalid_consent", "consent"),
        ({"consent": "\ud800"}, "invalid_consent", "consent"),
        ({"consent": "ok\x1b[2J"}, "invalid_consent", "consent"),
    ],
)
async def test_what_cannot_be_created_is_named_and_leaves_nothing(
    arguments: dict[str, object], code: str, field: str
) -> None:
    voices = library()
    with pytest.raises(InvalidInput) as caught:
        await voices.create(**{"name": "Anna", "data": ONE, **arguments})  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.field) == (code, field)
    assert await voices.page() == ()


async def test_a_clip_that_cannot_serve_is_refused_and_nothing_changes() -> None:
    voices = library()
    voice, _ = await voices.create("Anna", ONE)
    for call in (voices.create("Bert", b"noise"), voices.replace("anna", b"noise")):
        with pytest.raises(InvalidAudio):
            await call
    assert await voices.page() == (voice,)


async def test_names_move_and_are_freed() -> None:
    voices = library()
    anna, _ = await voices.create("Anna", ONE)
    await voices.create("Bert", TWO)
    with pytest.raises(NameTaken):
        await voices.rename("anna", "BERT")
    with pytest.raises(NameTaken):
        await voices.add_alias("anna", "bert")
    assert (await voices.rename("anna", "Carla")).id == anna.id
    await voices.create("Anna", ONE)
    assert (await voices.add_alias("carla", "Mum")).aliases == ("Mum",)
    assert (await voices.remove_alias("carla", "MUM")).aliases == ()
    with pytest.raises(NotFound) as caught:
        await voices.remove_alias("carla", "Mum")
    assert caught.value.code == "alias_not_found"
    await voices.remove("bert")
    await voices.rename("anna", "Bert")


async def test_aliases_are_bounded_and_the_name_is_none() -> None:
    voices = library()
    voice, _ = await voices.create("Anna", ONE, aliases=("ANNA", "Mum", "mum"))
    assert [alias.casefold() for alias in voice.aliases] == ["mum"]
    for number in range(19):
        await voices.add_alias("anna", f"alias {number}")
    with pytest.raises(InvalidInput) as caught:
        await voices.add_alias("anna", "one too many")
    assert caught.value.code == "too_many_aliases"


async def test_language_and_consent_are_kept_changed_and_cleared() -> None:
    voices = library()
    await voices.create("Anna", ONE, language="en", consent="recorded 2026-05-01")
    changed, _ = await voices.change("anna", language="pt-BR")
    assert (changed.language, changed.consent) == ("pt-BR", "recorded 2026-05-01")
    cleared, _ = await voices.change("anna", language=None, consent=None)
    assert (cleared.language, cleared.consent, cleared.revision) == (None, None, 3)


async def test_several_changes_are_checked_before_the_first_is_written() -> None:
    voices = library()
    await voices.create("Anna", ONE, language="en")
    for bad in ({"new_name": "a/b"}, {"consent": "x" * 5000}, {"data": b"noise"}, {"language": "!"}):
        with pytest.raises(InvalidInput):
            await voices.change("anna", **{"new_name": "Bea", "language": "de", "data": TWO, **bad})  # type: ignore[arg-type]
    assert (await voices.get("anna")).language == "en"
    changed, _ = await voices.change("anna", new_name="Bea", language="de", data=TWO, filename="two.wav")
    assert (changed.name, changed.language, changed.duration_s, changed.filename) == ("Bea", "de", 2.5, "two.wav")
    assert await voices.read_clip(changed) == TWO


async def test_an_endless_alias_is_refused_at_once() -> None:
    voices = library()
    await voices.create("Anna", ONE)
    began = time.process_time()
    for call in (voices.create("Bert", ONE, aliases=("\ufdfa" * 10**6,)), voices.add_alias("anna", "\ufdfa" * 10**6)):
        with pytest.raises(InvalidInput):
            await call
    with pytest.raises(NotFound):
        await voices.remove_alias("anna", "\ufdfa" * 10**6)
    assert time.process_time() - began < 0.5


async def test_the_default_is_chosen_by_any_name_and_goes_with_its_voice() -> None:
    voices = library()
    anna, _ = await voices.create("Anna", ONE)
    assert await voices.default() is None
    assert await voices.set_default("ANNA") == anna
    assert await voices.default() == anna
    assert await voices.set_default(None) is None
    await voices.set_default(anna.id)
    await voices.remove("anna")
    assert await voices.default() is None


async def test_unknown_and_impossible_voices() -> None:
    voices = library()
    for asked, error in (("nobody", NotFound), (new_voice_id(), NotFound), ("../x", InvalidInput), ("", InvalidInput)):
        for call in (voices.get(asked), voices.remove(asked), voices.rename(asked, "New"), voices.set_default(asked)):
            with pytest.raises(error) as caught:
                await call
            assert caught.value.field == "voice"


async def test_the_default_voice_is_meant_by_its_word() -> None:
    voices = library()
    await voices.create("Anna", ONE)
    for word in ("default", "Default", " DEFAULT ", "ｄｅｆａｕｌｔ"):
        with pytest.raises(NotFound, match="no default voice"):
            await voices.get(word)
        assert await voices.find(word) is None, "no voice is called so"
    await voices.set_default("anna")
    for word in ("default", "Default", " DEFAULT ", "ｄｅｆａｕｌｔ"):
        assert (await voices.get(word)).name == "Anna"
    assert (await voices.add_alias("default", "Mum")).aliases == ("Mum",)
    assert (await voices.rename("default", "Berta")).name == "Berta"
    chosen = await voices.set_default("default")
    assert chosen is not None
    assert chosen.name == "Berta"
    assert (await voices.remove("default")).name == "Berta"
    with pytest.raises(NotFound):
        await voices.get("default")


async def test_a_file_name_of_a_list_means_its_voice_where_no_voice_is_called_so() -> None:
    voices = library()
    anna, _ = await voices.create("Anna", ONE, aliases=("Mum",))
    long, _ = await voices.create("v" * 100, ONE)
    for asked in ("Anna.wav", "ANNA.WAV", " anna.mp3 ", "mum.flac", f"{anna.id}.wav"):
        assert await voices.get(asked) == anna
    assert await voices.get("v" * 100 + ".wav") == long
    for asked in ("Anna.txt", "Anna.", "Anna.wav.wav", "nobody.wav", "default.wav"):
        with pytest.raises(NotFound):
            await voices.get(asked)
    for asked in (".wav", "a/b.wav", "v" * 101 + ".wav", "v" * 101):
        with pytest.raises((InvalidInput, NotFound)):
            await voices.get(asked)
    assert await voices.find("Anna.wav") is None, "the name is free"
    exact, _ = await voices.create("Anna.wav", TWO)
    assert await voices.get("anna.wav") == exact
    assert await voices.get("anna.mp3") == anna


async def test_a_language_is_a_tag_and_old_ones_stay() -> None:
    store = MemoryStore()
    voices = VoiceLibrary(store=store, clip_reader=WavReader(), languages=("py", "Zork"))
    for given, kept in (("pt_br", "pt-BR"), ("GER", "de"), ("zork", "Zork"), (" ", None), (None, None)):
        voice, _ = await voices.create(f"to {given}", ONE, language=given)
        assert voice.language == kept
        changed, _ = await voices.change(voice.id, language="de")
        assert changed.language == "de"
    for wrong in ("German", "xx", "klingon"):
        with pytest.raises(InvalidInput) as refused:
            await voices.create("Berta", ONE, language=wrong)
        assert (refused.value.code, refused.value.field) == ("invalid_language", "language")
        with pytest.raises(InvalidInput):
            await voices.change("to GER", language=wrong)
    old = await store.add(VoiceDraft("Old", language="German"), VoiceAudio(ONE, hashlib.sha256(ONE).hexdigest(), 1.5))
    assert await voices.get("old") == old
    assert [voice.language async for voice in voices.all()][-1] == "German"
    assert await voices.read_clip(old) == ONE
    renamed, _ = await voices.change("old", new_name="Older", language="de")
    assert (renamed.name, renamed.language) == ("Older", "de")
    assert (await voices.rename("Older", "Oldest")).name == "Oldest"


async def test_pages_and_all() -> None:
    voices = library()
    made = [(await voices.create(f"v{number}", ONE))[0] for number in range(5)]
    assert {voice.id for voice in made} == {voice.id async for voice in voices.all()}
    first = await voices.page(limit=2)
    assert [*first, *await voices.page(after=first[-1].id)] == sorted(made, key=lambda voice: voice.id)
    for limit in (0, 1001):
        with pytest.raises(InvalidInput):
            await voices.page(limit=limit)


async def test_damage_is_found_and_never_kept() -> None:
    store = MemoryStore()
    voices = library(store)
    good, _ = await voices.create("Good", ONE)
    assert await voices.verify(good) is None
    bad = await store.replace(good.id, VoiceAudio(TWO, "0" * 64, 1.5))
    for _ in range(2):
        with pytest.raises(StorageFailed) as caught:
            await voices.read_clip(bad)
        assert caught.value.code == "voice_damaged"
    found = await voices.verify(bad)
    assert found is not None
    assert found.code == "voice_damaged"
