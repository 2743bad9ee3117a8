"""Voices go from store to store whole, over nobody else's, and go on after whatever interrupts them."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from chatterbox_api.library_copy import CopyResult, copy_voices
from chatterbox_api_core.errors import ChatterboxError, StorageFailed, Unavailable
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.reference import MemoryStore
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft


async def put(store: VoiceStore, name: str, data: bytes = b"", filename: str = "", **draft: Any) -> Voice:
    data = data or f"the clip of {name}".encode()
    audio = VoiceAudio(data, hashlib.sha256(data).hexdigest(), 2.5, "audio/flac", filename or f"{name}.flac")
    return await store.add(VoiceDraft(name, **draft), audio)


async def run(source: VoiceStore, target: VoiceStore, *, overwrite: bool = False) -> list[CopyResult]:
    return [copy async for copy in copy_voices(source, target, await by_name(source), overwrite=overwrite)]


async def by_name(store: VoiceStore) -> list[Voice]:
    return sorted(await store.list(limit=1000), key=lambda voice: voice.name)


def states(copies: list[CopyResult]) -> list[tuple[str, str]]:
    return [(copy.source.name, copy.state) for copy in copies]


async def contents(store: VoiceStore) -> list[tuple[Any, ...]]:
    """All that a copy has to have in common with the voice, and which voice is the default."""
    default, found = await store.default(), []
    for voice in await store.list(limit=1000):
        same = (voice.name, sorted(voice.aliases), voice.language, voice.consent, voice.filename)
        clip = (await store.read_clip(voice), voice.media_type, voice.duration_s, voice.size_bytes)
        found.append((same, clip, default is not None and default.id == voice.id))
    return sorted(found, key=lambda each: str(each[0]))


@pytest.fixture
async def source() -> MemoryStore:
    store = MemoryStore()
    await put(store, "Añna", aliases=("Mum", "Mamá"), language="de", consent="yes, 2026")
    bert = await put(store, "Bert")
    await put(store, "Carl", aliases=("Charles",))
    await store.set_default(bert.id)
    return store


async def test_a_copy_has_all_of_the_voice_and_an_id_of_its_own(source: MemoryStore) -> None:
    target = MemoryStore()
    before = await contents(source)
    copies = await run(source, target)
    assert states(copies) == [("Añna", "copied"), ("Bert", "copied"), ("Carl", "copied")]
    assert [copy.default for copy in copies] == [False, True, False]
    assert await contents(target) == before == await contents(source)
    assert not {copy.source.id for copy in copies} & {copy.target.id for copy in copies if copy.target}


async def test_what_is_there_already_is_left_alone(source: MemoryStore) -> None:
    target = MemoryStore()
    await run(source, target)
    before = await target.list()
    for overwrite in (False, True):
        assert {copy.state for copy in await run(source, target, overwrite=overwrite)} == {"present"}
        assert await target.list() == before


async def test_the_default_of_the_target_stays(source: MemoryStore) -> None:
    target = MemoryStore()
    mine = await put(target, "Mine")
    await target.set_default(mine.id)
    assert not any(copy.default for copy in await run(source, target))
    assert await target.default() == mine


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("clip", {"data": b"another clip"}),
        ("language", {"language": "en"}),
        ("consent", {"consent": None}),
        ("aliases", {"aliases": ("Mum",)}),
    ],
)
async def test_another_voice_of_that_name_is_a_conflict_and_overwritten_on_demand(
    source: MemoryStore, field: str, other: dict[str, Any]
) -> None:
    target = MemoryStore()
    there = await put(
        target, "Añna", **{"data": b"", "aliases": ("Mum", "Mamá"), "language": "de", "consent": "yes, 2026", **other}
    )
    copies = await run(source, target)
    assert states(copies) == [("Añna", "conflict"), ("Bert", "copied"), ("Carl", "copied")]
    assert copies[0].target == there
    assert copies[0].error is not None
    assert field in copies[0].error.message
    assert there.id in copies[0].error.message
    assert await target.get(there.id) == there
    overwritten = await run(source, target, overwrite=True)
    assert states(overwritten) == [("Añna", "replaced"), ("Bert", "present"), ("Carl", "present")]
    assert await contents(target) == await contents(source)
    assert overwritten[0].target is not None
    assert overwritten[0].target.id == there.id


async def test_spelling_counts() -> None:
    source, target = MemoryStore(), MemoryStore()
    await put(source, "Anna", b"clip", filename="clip.flac")
    await put(target, "ANNA", b"clip", filename="clip.flac")
    assert (await run(source, target))[0].state == "conflict"
    await run(source, target, overwrite=True)
    assert [voice.name for voice in await target.list()] == ["Anna"]


@pytest.mark.parametrize("overwrite", [False, True])
async def test_no_name_is_taken_from_another_voice(source: MemoryStore, overwrite: bool) -> None:
    """«Añna» is Zoe's alias there, and Carl's alias is Yves' name: both are theirs, whatever is asked for."""
    target = MemoryStore()
    zoe, yves = await put(target, "Zoe", aliases=("añna",)), await put(target, "Charles")
    copies = await run(source, target, overwrite=overwrite)
    assert states(copies) == [("Añna", "conflict"), ("Bert", "copied"), ("Carl", "conflict")]
    assert [copy.target for copy in copies if copy.state == "conflict"] == [zoe, yves]
    assert [await target.get(voice.id) for voice in (zoe, yves)] == [zoe, yves]


async def test_overwriting_takes_no_alias_from_another_voice(source: MemoryStore) -> None:
    target = MemoryStore()
    carl, yves = await put(target, "Carl", b"another"), await put(target, "Yves", aliases=("Charles",))
    copy = (await run(source, target, overwrite=True))[2]
    assert (copy.state, copy.target) == ("conflict", yves)
    assert [await target.get(voice.id) for voice in (carl, yves)] == [carl, yves]


class Rotten(MemoryStore):
    """Some of what is read is not what was written."""

    def __init__(self, *, finds_out: bool) -> None:
        super().__init__()
        self.finds_out = finds_out
        self.rotten: set[str] = set()

    async def read_clip(self, voice: Voice) -> bytes:
        if voice.name not in self.rotten:
            return await super().read_clip(voice)
        if self.finds_out:
            raise StorageFailed("damaged", code="voice_damaged")
        return b"rot"

    async def replace(self, voice_id: str, audio: VoiceAudio) -> Voice:
        self.rotten.clear()
        return await super().replace(voice_id, audio)


@pytest.mark.parametrize("finds_out", [False, True])
async def test_a_damaged_clip_is_not_copied_and_holds_up_no_other(finds_out: bool) -> None:
    source, target = Rotten(finds_out=finds_out), MemoryStore()
    for name in ("Anna", "Bert"):
        await put(source, name)
    source.rotten = {"Anna"}
    copies = await run(source, target)
    assert states(copies) == [("Anna", "failed"), ("Bert", "copied")]
    assert copies[0].error is not None
    assert copies[0].error.code == "voice_damaged"
    assert [voice.name for voice in await target.list()] == ["Bert"]


@pytest.mark.parametrize("finds_out", [False, True])
async def test_a_copy_counts_only_when_it_can_be_read_back(source: MemoryStore, finds_out: bool) -> None:
    """Neither when it has just been written nor the next time; overwriting puts it right."""
    target = Rotten(finds_out=finds_out)
    target.rotten = {"Bert"}
    for expected in ("copied", "present"):
        assert states(await run(source, target)) == [("Añna", expected), ("Bert", "failed"), ("Carl", expected)]
    assert states(await run(source, target, overwrite=True))[1] == ("Bert", "replaced")
    assert await contents(target) == await contents(source)


class Forgetful(MemoryStore):
    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
        return await super().add(replace(draft, consent=None), audio)


async def test_a_target_that_keeps_something_else_is_found_out(source: MemoryStore) -> None:
    copies = await run(source, Forgetful())
    assert states(copies) == [("Añna", "failed"), ("Bert", "copied"), ("Carl", "copied")]
    assert "consent" in str(copies[0].error)


async def test_voices_that_change_meanwhile_are_copied_as_they_are_then(source: MemoryStore) -> None:
    target = MemoryStore()
    copying = copy_voices(source, target, await by_name(source))
    assert (await anext(copying)).state == "copied"
    _, bert, carl = await by_name(source)
    await source.update(bert.id, VoiceChanges(name="Robert"))
    await source.remove(carl.id)
    assert [copy.state async for copy in copying] == ["copied", "failed"]
    assert sorted(voice.name for voice in await target.list()) == ["Añna", "Robert"]


class Interrupted:
    """A store that fails when it is called for the n-th time, before or after it has done what it was to do."""

    def __init__(self, store: VoiceStore, *, at: int, after: bool, error: BaseException) -> None:
        self._store, self._left, self._after, self._error = store, at, after, error

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        async def interrupted(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise self._error
            result = await call(*arguments, **named)
            if self._left == 0:
                raise self._error
            return result

        return interrupted

    @property
    def was_not_reached(self) -> bool:
        return self._left > 0


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "error", [Unavailable("away"), StorageFailed("full", code="storage_full"), asyncio.CancelledError()]
)
@pytest.mark.parametrize("overwrite", [False, True])
async def test_it_goes_on_wherever_it_was_interrupted(
    source: MemoryStore, side: str, after: bool, error: BaseException, overwrite: bool
) -> None:
    """At every call to either store: what stops a copy is raised, and the next run leaves nothing undone."""
    at = 0
    while True:
        at += 1
        target = MemoryStore()
        if overwrite:
            await put(target, "Bert", b"another", language="en", aliases=("Robert",))
        failing = Interrupted(source if side == "source" else target, at=at, after=after, error=error)
        stores: tuple[Any, Any] = (failing, target) if side == "source" else (source, failing)
        voices = await by_name(source)
        try:
            async for _ in copy_voices(*stores, voices, overwrite=overwrite):
                pass
        except (ChatterboxError, asyncio.CancelledError) as raised:
            assert raised is error
        else:
            assert failing.was_not_reached
            break
        assert all(copy.done for copy in await run(source, target, overwrite=overwrite)), at
        assert await contents(target) == await contents(source), at
    assert at > 7


class Alive(bytes):
    """Bytes that are counted as long as they are there."""

    now = most = 0

    def __new__(cls, data: bytes) -> Alive:
        cls.now += 1
        cls.most = max(cls.most, cls.now)
        return super().__new__(cls, data)

    def __del__(self) -> None:
        Alive.now -= 1


class Counted(MemoryStore):
    async def read_clip(self, voice: Voice) -> bytes:
        return Alive(await super().read_clip(voice))


async def test_clips_are_held_one_by_one() -> None:
    class Plain(MemoryStore):
        async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Voice:
            return await super().add(draft, replace(audio, data=bytes(bytearray(audio.data))))

    source = Counted()
    for number in range(50):
        await put(source, f"Voice {number}")
    assert len(await run(source, Plain())) == 50
    assert 1 <= Alive.most <= 2
