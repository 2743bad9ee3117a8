"""The protocol keeps its promises in every order in which the requests of two writers can arrive, with a fault."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from storage_r2.interleavings import Broken, Explorer, ModelBucket, Objects, Outcome, Process, voices
from storage_r2.memory_bucket import MemoryBucket

from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.revisions import canonical_names, replaced, updated
from chatterbox_api_storage_r2 import protocol
from chatterbox_api_storage_r2.bucket import Bucket, OutcomeUnknown, PreconditionFailed
from chatterbox_api_storage_r2.documents import Body, Document, WriteConflict, read
from chatterbox_api_storage_r2.layout import Record, Versioned
from chatterbox_api_storage_r2.protocol import BucketLibrary

LONG = bool(os.environ.get("CHATTERBOX_LONG_TESTS"))
TOMORROW = datetime(2100, 1, 1, tzinfo=UTC)


def clip(text: str) -> VoiceAudio:
    return VoiceAudio(text.encode(), text, 1.0)


class World:
    """A bucket with some voices, and processes that are about to change it: each is one call of `BucketLibrary`."""

    def __init__(self, library: type[BucketLibrary] = BucketLibrary, *, fence_after: int = 0) -> None:
        self._bucket = MemoryBucket()
        self._library = library
        self._fence_after = fence_after
        self.ids: dict[str, str] = {}

    async def having(self, *names: str) -> World:
        for name in names:
            added = await BucketLibrary(self._bucket).add(VoiceDraft(name), clip(name))
            assert added.record.voice is not None
            self.ids[name] = added.record.voice.id
        return self

    async def having_removed(self, name: str) -> World:
        await self.having(name)
        await BucketLibrary(self._bucket).remove(self.ids[name])
        return self

    @property
    def objects(self) -> Objects:
        return {key: data for key, (data, _) in self._bucket.objects.items()}

    def adding(self, draft: VoiceDraft, audio: VoiceAudio) -> Process:
        return lambda: self._open().add(draft, audio)

    def amending(self, name: str, changes: VoiceChanges) -> Process:
        return lambda: self._open().update(self.ids[name], changes)

    def renaming(self, name: str, new: str) -> Process:
        return self.amending(name, VoiceChanges(name=new))

    def replacing(self, name: str, audio: VoiceAudio) -> Process:
        return lambda: self._open().replace(self.ids[name], audio)

    def removing(self, name: str) -> Process:
        return lambda: self._open().remove(self.ids[name])

    def choosing_default(self, name: str) -> Process:
        return lambda: self._open().set_default(self.ids[name])

    def sweeping(self) -> Process:
        async def unknown(_: str) -> None:
            return None

        return lambda: self._open().sweep(before=TOMORROW, clip_of=unknown)

    def _open(self) -> BucketLibrary:
        """A library for one process, over a bucket whose requests the explorer answers."""
        return self._library(ModelBucket(), fence_after=self._fence_after)


def certain(objects: Objects, outcomes: tuple[Outcome, ...], ended: tuple[str, ...] = ()) -> None:
    """What has been acknowledged is there, unless somebody was there to change it again.

    Args:
        ended: voices that a process here removes.
    """
    known = voices(objects)
    for outcome in outcomes:
        written = outcome.returned[0] if isinstance(outcome.returned, tuple) else outcome.returned
        if isinstance(written, Versioned) and written.record.voice is None:
            assert all(record.voice is None for each, record in known.items() if each in ended), "removed and there"
        elif isinstance(written, Versioned):
            assert written.record.voice is not None
            found = known.get(written.record.voice.id)
            assert found is not None, "acknowledged and gone"
            assert found.version >= written.record.version
            if found.voice is None:
                assert written.record.voice.id in ended, "acknowledged and removed by nobody"
            elif found.version == written.record.version:
                assert found == written.record


def one_of_two(objects: Objects, outcomes: tuple[Outcome, ...]) -> None:
    """Of two who want one name, the second is told so; where nothing went wrong, one of them has it."""
    certain(objects, outcomes)
    errors = sorted(outcome.error for outcome in outcomes)
    assert errors != ["", ""], "both were told that the name is theirs"
    assert errors != ["NameTaken", "NameTaken"], "the name is nobody's"


CASES: dict[str, Callable[[World], Any]] = {}


def case(build: Callable[[World], Any]) -> Callable[[World], Any]:
    CASES[build.__name__] = build
    return build


@case
async def two_create_one_name(w: World) -> Any:
    return (w.adding(VoiceDraft("N"), clip("a")), w.adding(VoiceDraft("N"), clip("b"))), one_of_two


@case
async def two_create_crosswise(w: World) -> Any:
    one, two = w.adding(VoiceDraft("M", ("N",)), clip("a")), w.adding(VoiceDraft("N", ("M",)), clip("b"))
    return (one, two), one_of_two


@case
async def rename_to_what_another_creates(w: World) -> Any:
    await w.having("M")
    return (w.renaming("M", "N"), w.adding(VoiceDraft("N"), clip("b"))), one_of_two


@case
async def create_what_a_rename_frees(w: World) -> Any:
    await w.having("M")
    return (w.renaming("M", "N"), w.adding(VoiceDraft("M"), clip("b"))), certain


@case
async def two_rename_to_one_name(w: World) -> Any:
    await w.having("M", "P")
    return (w.renaming("M", "N"), w.renaming("P", "N")), one_of_two


@case
async def one_voice_renamed_twice(w: World) -> Any:
    await w.having("M")
    return (w.renaming("M", "N"), w.renaming("M", "P")), certain


@case
async def renamed_and_named_back(w: World) -> Any:
    await w.having("M")
    other = w.amending("M", VoiceChanges(name="N", add_aliases=("M",)))
    return (w.renaming("M", "N"), other), certain


@case
async def alias_of_one_name_of_another(w: World) -> Any:
    await w.having("M")
    return (
        w.amending("M", VoiceChanges(add_aliases=("N",))),
        w.adding(VoiceDraft("N"), clip("b")),
    ), one_of_two


@case
async def alias_freed_and_taken(w: World) -> Any:
    await w.having("M", "P")
    return (
        w.amending("M", VoiceChanges(name="Q")),
        w.amending("P", VoiceChanges(add_aliases=("M",))),
    ), certain


def _ending(w: World, name: str) -> Callable[[Objects, tuple[Outcome, ...]], None]:
    return lambda objects, outcomes: certain(objects, outcomes, (w.ids[name],))


@case
async def removed_while_its_name_is_taken(w: World) -> Any:
    await w.having("M")
    return (w.removing("M"), w.adding(VoiceDraft("M"), clip("b"))), _ending(w, "M")


@case
async def removed_while_another_renames_to_it(w: World) -> Any:
    await w.having("M", "P")
    return (w.removing("M"), w.renaming("P", "M")), _ending(w, "M")


@case
async def removed_while_renamed(w: World) -> Any:
    await w.having("M")

    def told(objects: Objects, outcomes: tuple[Outcome, ...]) -> None:
        _ending(w, "M")(objects, outcomes)
        assert outcomes[0].error != "NotFound", "nobody else removed it"

    return (w.removing("M"), w.renaming("M", "N")), told


@case
async def removed_twice(w: World) -> Any:
    await w.having("M")

    def once(objects: Objects, outcomes: tuple[Outcome, ...]) -> None:
        _ending(w, "M")(objects, outcomes)
        assert [outcome.error for outcome in outcomes] != ["", ""], "both were told that they removed it"

    return (w.removing("M"), w.removing("M")), once


@case
async def replaced_twice(w: World) -> Any:
    await w.having("M")
    return (w.replacing("M", clip("a")), w.replacing("M", clip("b"))), certain


@case
async def replaced_while_removed(w: World) -> Any:
    await w.having("M")
    return (w.replacing("M", clip("a")), w.removing("M")), _ending(w, "M")


@case
async def replaced_while_renamed(w: World) -> Any:
    await w.having("M")
    return (w.replacing("M", clip("a")), w.renaming("M", "N")), certain


@case
async def created_while_swept(w: World) -> Any:
    return (w.adding(VoiceDraft("N"), clip("a")), w.sweeping()), certain


@case
async def replaced_while_swept(w: World) -> Any:
    await w.having("M")
    return (w.replacing("M", clip("a")), w.sweeping()), certain


@case
async def a_freed_name_is_taken_while_its_tombstone_is_swept(w: World) -> Any:
    await w.having_removed("M")
    return (w.adding(VoiceDraft("M"), clip("a")), w.sweeping()), certain


@case
async def two_sweep(w: World) -> Any:
    await w.having_removed("M")
    await w.having("P")
    return (w.sweeping(), w.sweeping()), certain


@case
async def default_set_twice(w: World) -> Any:
    await w.having("M", "P")
    return (w.choosing_default("M"), w.choosing_default("P")), certain


@case
async def default_set_while_removed(w: World) -> Any:
    await w.having("M")
    return (w.choosing_default("M"), w.removing("M")), _ending(w, "M")


@pytest.mark.parametrize("name", CASES)
async def test_every_promise_is_kept(name: str) -> None:
    world = World()
    processes, check = await CASES[name](world)
    faults, max_requests = (2, 14) if LONG else (1, 14)
    explorer = Explorer(*processes, objects=world.objects, check=check, faults=faults, max_requests=max_requests).walk()
    assert explorer.ends > 20
    assert explorer.cut < explorer.states / 3, "few ways are so long that they were not walked to their end"


class ReadsAfterClaiming(BucketLibrary):
    """Rule 2 left out."""

    async def update(self, voice_id: str, changes: VoiceChanges) -> Versioned:
        while True:
            _, _, voice = await self._live(voice_id)
            changed = updated(voice, changes)
            for name in sorted(canonical_names(changed) - canonical_names(voice)):
                await self._claim(name, changed)
            document, record, _ = await self._live(voice_id)
            with contextlib.suppress(WriteConflict):
                return await self._write(voice_id, record.next(changed), over=document)


class KeepsItsClaims(BucketLibrary):
    """Rule 4 left out."""

    async def _claim(self, name: str, voice: Voice) -> None:
        if await self.claimant(name) != voice.id:
            await super()._claim(name, voice)


class DoesNotFence(BucketLibrary):
    """Rule 3 left out."""

    async def _fenced(self, voice_id: str, document: Document | None, record: Record | None) -> bool:
        return True


class WritesTheClipFirst(BucketLibrary):
    """The clip of a replacement written before its document is read."""

    async def replace(self, voice_id: str, audio: VoiceAudio) -> tuple[Versioned, str]:
        clip = await self._put_clip(voice_id, audio.data)
        while True:
            document, record, voice = await self._live(voice_id)
            with contextlib.suppress(WriteConflict):
                changed = record.next(replaced(voice, audio), clip=clip)
                return await self._write(voice_id, changed, over=document), record.clip


async def takes_any_answer(bucket: Bucket, key: str, body: Body, *, over: Document | None) -> Document:
    """`documents.write` that believes what it is told."""
    data = json.dumps({"schema": 1, "nonce": "", "earlier": [], **body}).encode()
    try:
        etag = await (
            bucket.put_if_absent(key, data) if over is None else bucket.put_if_match(key, data, etag=over.etag)
        )
    except (PreconditionFailed, OutcomeUnknown):
        raise WriteConflict(await read(bucket, key)) from None
    return Document(body, "", (), etag)


@pytest.mark.parametrize(
    ("mistake", "name"),
    [
        (ReadsAfterClaiming, "rename_to_what_another_creates"),
        (KeepsItsClaims, "rename_to_what_another_creates"),
        (DoesNotFence, "two_create_one_name"),
        (DoesNotFence, "two_rename_to_one_name"),
        (DoesNotFence, "created_while_swept"),
        (WritesTheClipFirst, "replaced_while_swept"),
    ],
)
async def test_a_mistake_is_found(mistake: type[BucketLibrary], name: str) -> None:
    world = World(mistake)
    processes, check = await CASES[name](world)
    with pytest.raises(Broken):
        Explorer(*processes, objects=world.objects, check=check, max_requests=20).walk()


@pytest.mark.parametrize("name", ["two_create_one_name", "removed_while_renamed", "replaced_while_renamed"])
async def test_believing_every_answer_is_found(name: str) -> None:
    world = World()
    processes, check = await CASES[name](world)
    with mock.patch.object(protocol, "write", takes_any_answer), pytest.raises(Broken):
        Explorer(*processes, objects=world.objects, check=check, max_requests=20).walk()
