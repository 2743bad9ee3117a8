"""How several servers share one library in a bucket that can only compare and set one object at a time.

**What is true.** A voice is what its document `voices/<id>.json` says. The document is the only place where a voice
begins, changes or ends: it is created once (If-None-Match), changed by compare-and-set (If-Match), and its last
state is `deleted`, which it never leaves. Everything else serves it.

**Clips** are written before the document that names them, under a key that is never used again. So a voice whose
document is there is whole, and a reader never sees half of anything.

**Names.** The document lists the names of the voice, but uniqueness spans documents. So each name has a claim,
`names/<hash>.json`, that names one voice. *A claim counts only while the document of the voice it names lists that
name.* The invariant: a live document that lists a name is named by the claim of that name. It holds because of these
rules, which are marked in the code where it keeps them:

1. a voice takes its claims before the compare-and-set, or the creation, that makes its document list them;
2. for a change of names, the document is read *before* the claim is taken, and written over that very version;
3. a writer that meets another's claim that does not count **fences** the claimant before it takes the claim: it
   changes the claimant's document, by a tombstone where there is none yet, else by writing it anew as it is. A writer
   between its steps 1 and 2 then finds its document changed, and begins again;
4. a writer that begins again claims again, by compare-and-set even where the claim still names its voice: any writer
   that has read the claim meanwhile then fails.

Without 2, a rename could be fenced before it had read its document; without 4, a claim could be taken by a writer that
had fenced the attempt before. The model in the tests finds both mistakes when they are planted.

Claims are never removed and never handed back: S3's DELETE has no condition, and a claim that does not count is as
good as none. A name costs one small object, once.

**Clean-up** is held to the same rule. A clip that no document names may belong to a writer that has not come to its
document yet, even if that writer has been stopped for a day. So `sweep` fences before it deletes, and a writer reads
the document it is to change before it writes the clip. Nothing depends on how long anything takes, with one
exception: tombstones of voices that once lived are removed after a day, and then a creation that has been under way
all that time could be done. It cannot: the server refuses a request that was signed more than 15 minutes ago.

**Lost replies** are the business of `documents`: when `write` returns or raises WriteConflict, the outcome is certain.
When it raises StorageUnsure the outcome is unknown, and so is that of the change if this was the write of its document;
but the change is whole or absent, and its leftovers are swept. A clip or a claim that may have been written is as good
as none: then the change is certain not to be done.

Linearization points: the write of the voice's document for add, replace, amend and remove, that of `default.json`
for set_default, and for a read, the read of the document.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from itertools import count
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, NameTaken, StorageFailed
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.revisions import canonical_names, created, replaced, updated
from chatterbox_api_core.voices.store_errors import name_taken, voice_gone
from chatterbox_api_storage_r2.bucket import Bucket, OutcomeUnknown, PreconditionFailed
from chatterbox_api_storage_r2.documents import (
    GIVE_UP_S,
    Document,
    StorageUnsure,
    WriteConflict,
    last_unknown_reason,
    parsed,
    pause,
    read,
    write,
)
from chatterbox_api_storage_r2.layout import (
    CLIPS,
    DEFAULT,
    VOICES,
    Record,
    Versioned,
    claim_key,
    new_clip_key,
    parsed_record,
    voice_id_of,
    voice_key,
)

__all__ = ["BucketLibrary"]

_log = logging.getLogger(__name__)

_TOMBSTONE: Final = Record(1, None)
"""Of a voice that never lived. It is never swept, so nothing can begin in its place."""


class BucketLibrary:
    """The operations on the library in a bucket. They go on until they are done; the caller sets the time limit.

        library = BucketLibrary(bucket)
        added = await library.add(VoiceDraft("Anna"), audio)
        await library.update(added.record.voice.id, VoiceChanges(name="Berta"))

    Every operation raises Unavailable where the bucket does not answer or refuses, StorageFailed where a document is
    damaged or the bucket is full or read-only, and StorageUnsure where its outcome cannot be found out. Other errors
    are listed at each operation.

    Args:
        bucket: the library's objects.
        fence_after: how often a claimant that has no document yet is read again before it is fenced.
    """

    def __init__(self, bucket: Bucket, *, fence_after: int = 4) -> None:
        self._bucket = bucket
        self._fence_after = fence_after

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Versioned:
        """Create a voice.

        Raises:
            NameTaken: another voice has the name or an alias.
        """
        for attempt in count():
            voice = created(draft, audio)
            await self._check_free(voice)
            clip = await self._put_clip(voice.id, audio.data)
            try:
                # Rule 1: the claims come first. Rule 2 holds by itself, since `over=None` is the version read here.
                with _voice_not_written():
                    for name in sorted(canonical_names(voice)):
                        await self._claim(name, voice)
                return await self._write(voice.id, Record(1, voice, clip), over=None)
            except NameTaken:
                await self.discard(clip)
                raise
            except WriteConflict as conflict:
                # A faster writer has fenced this one; its own voice may come to be or not. Rule 4: with another id,
                # every claim is taken anew.
                await self._discard_unnamed(clip, conflict.found)
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def update(self, voice_id: str, changes: VoiceChanges) -> Versioned:
        """Change the names and the details of a voice.

        Raises:
            NotFound: there is no such voice.
            NameTaken: another voice has one of the new names.
        """
        for attempt in count():
            # Rule 2: the document is read before the claims are taken, and written over this version.
            document, record, voice = await self._live(voice_id)
            changed = updated(voice, changes)
            with _voice_not_written():
                # Rule 1: the claims come before the write. Rule 4: so they do in each attempt.
                for name in sorted(canonical_names(changed) - canonical_names(voice)):
                    await self._claim(name, changed)
            with contextlib.suppress(WriteConflict):
                return await self._write(voice_id, record.next(changed), over=document)
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def replace(self, voice_id: str, audio: VoiceAudio) -> tuple[Versioned, str]:
        """Give a voice another clip; also returns the key of the clip before, which is not removed.

        Raises:
            NotFound: there is no such voice.
        """
        for attempt in count():
            # Read before the clip is written: a sweep that meets the clip fences this version before it deletes.
            document, record, voice = await self._live(voice_id)
            clip = await self._put_clip(voice_id, audio.data)
            try:
                changed = record.next(replaced(voice, audio), clip=clip)
                return await self._write(voice_id, changed, over=document), record.clip
            except WriteConflict as conflict:
                await self._discard_unnamed(clip, conflict.found)
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def remove(self, voice_id: str) -> Versioned:
        """End a voice, and remove its clip.

        Raises:
            NotFound: there is no such voice.
        """
        for attempt in count():
            document, record, _ = await self._live(voice_id)
            with contextlib.suppress(WriteConflict):
                removed = await self._write(voice_id, record.next(None, clip=""), over=document)
                await self.discard(record.clip)  # only now: a live document must not name a clip that is not there
                return removed
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def set_default(self, voice_id: str | None) -> None:
        """Choose the default voice; None for no default.

        Raises:
            NotFound: there is no such voice.
        """
        for attempt in count():
            if voice_id is not None:
                await self._live(voice_id)
            over = await read(self._bucket, DEFAULT)
            with contextlib.suppress(WriteConflict):
                await write(self._bucket, DEFAULT, {"voice": voice_id}, over=over)
                return
            await self._bucket.pause(attempt)

    async def read(self, voice_id: str, *, if_none_match: str | None = None) -> Versioned | None:
        """The record of a voice now, which may be deleted; None where there is no document.

        Args:
            if_none_match: the ETag of a version that is known.

        Raises:
            NotModified: the document still has that ETag.
        """
        key = voice_key(voice_id)
        stored = await self._bucket.get(key, if_none_match=if_none_match)
        return None if stored is None else Versioned(parsed_record(parsed(stored, key=key).body, key=key), stored.etag)

    async def claimant(self, canonical: str) -> str | None:
        """The id of the voice that has claimed a name; whether the claim counts, the voice's document says."""
        document = await read(self._bucket, claim_key(canonical))
        return None if document is None else document.body.get("voice")

    async def discard(self, clip: str) -> None:
        """Remove a clip that no document names any more. Where that fails it is swept later."""
        with contextlib.suppress(OutcomeUnknown, ChatterboxError):
            await self._bucket.delete(clip)

    async def sweep(self, *, before: datetime, clip_of: Callable[[str], Awaitable[str | None]]) -> int:
        """Remove what no voice needs and nothing has written since `before`; how many objects that were.

        Args:
            before: by the clock of the server.
            clip_of: the clip that the document of a voice names, as far as is known. It saves a read of each document.
        """
        return await self._sweep_clips(before, clip_of) + await self._sweep_tombstones(before, clip_of)

    async def _sweep_clips(self, before: datetime, clip_of: Callable[[str], Awaitable[str | None]]) -> int:
        removed = 0
        async for page in self._bucket.list(CLIPS):
            for listed in page:
                voice_id = voice_id_of(listed.key)
                if voice_id is None or listed.modified_at >= before or await clip_of(voice_id) == listed.key:
                    continue
                with _damage_logged():
                    # Rule 3, for a clip: a writer that is about to name it finds its document changed.
                    if await self._fence_clip(voice_id, listed.key):
                        await self._bucket.delete(listed.key)
                        removed += 1
        return removed

    async def _sweep_tombstones(self, before: datetime, clip_of: Callable[[str], Awaitable[str | None]]) -> int:
        removed = 0
        async for page in self._bucket.list(VOICES):
            for listed in page:
                voice_id = voice_id_of(listed.key)
                if voice_id is None or listed.modified_at >= before or await clip_of(voice_id):
                    continue
                with _damage_logged():
                    _, record = await self._read(voice_id)
                    # The tombstone of a voice that never lived stays: it is a fence against that voice's creation.
                    if record is not None and record.voice is None and record.version > _TOMBSTONE.version:
                        await self._bucket.delete(listed.key)
                        removed += 1
        return removed

    async def _check_free(self, voice: Voice) -> None:
        """Refuse a name that is another's now, before a clip is sent in vain; `_claim` decides."""
        for name in sorted(canonical_names(voice)):
            if (claimant := await self.claimant(name)) is not None:
                _, record = await self._read(claimant)
                if record is not None and record.answers_to(name):
                    raise name_taken(name, wanted_by=voice)

    async def _claim(self, name: str, voice: Voice) -> None:
        """Make the claim of `name` name `voice`.

        Raises:
            NameTaken: the claim counts for another voice.
        """
        over: Document | None = None
        for attempt in count():
            try:
                # Rule 4: by compare-and-set, also where the claim names this voice already. The fresh nonce makes it
                # another version, so a writer that has read the claim to take it over fails.
                await write(self._bucket, claim_key(name), {"voice": voice.id, "name": name}, over=over)
                return
            except WriteConflict as conflict:
                over = conflict.found
            claimant = None if over is None else over.body.get("voice")
            if isinstance(claimant, str) and claimant != voice.id:
                # Rule 3: the claimant is fenced after its claim was read and before that version is written over.
                await self._fence_claimant(claimant, name, voice)
            if attempt:
                await self._bucket.pause(attempt)

    async def _fence_claimant(self, claimant: str, name: str, voice: Voice) -> None:
        """Rule 3: return once a claimant whose claim does not count cannot make it count any more.

        Raises:
            NameTaken: the claim counts.
        """
        for look in count():
            document, record = await self._read(claimant)
            if record is not None and record.answers_to(name):
                raise name_taken(name, wanted_by=voice)
            # A claimant without a document is a voice in the making. It usually appears within a moment; fencing it
            # makes its writer begin again, so that costs more than a short wait.
            if record is None and look < self._fence_after:
                await self._bucket.pause(look)
            elif await self._fenced(claimant, document, record):
                return

    async def _fence_clip(self, voice_id: str, clip: str) -> bool:
        """Whether no document names this clip, nor can come to. False also where the document has just changed."""
        document, record = await self._read(voice_id)
        if record is not None and record.voice is not None and record.clip == clip:
            return False
        return await self._fenced(voice_id, document, record)

    async def _fenced(self, voice_id: str, document: Document | None, record: Record | None) -> bool:
        """Rule 3, the fence itself: change this version, so that no writer that has read it goes on.

        True once it is changed, or is final; False where another writer has changed it first.
        """
        if record is not None and record.voice is None:
            return True  # deleted, and so no writer can change it
        # A tombstone keeps a voice from being created; a live document is written again with the same contents, and
        # its new version makes every compare-and-set over the former one fail.
        fence = _TOMBSTONE if record is None else record.next(record.voice)
        try:
            await self._write(voice_id, fence, over=document)
        except WriteConflict:
            return False
        return True

    async def _discard_unnamed(self, clip: str, found: Document | None) -> None:
        """Discard the clip of a document that was not written, unless the document that is there names it.

        It does so where so many others have written since that this writer's nonce is forgotten.
        """
        if found is None or found.body.get("clip") != clip:
            await self.discard(clip)

    async def _put_clip(self, voice_id: str, data: bytes) -> str:
        """Write a clip under a new key, which no other writer has: a conflict can only be with an earlier attempt.

        While no document names it, it makes no difference whether it has been written. So an error says that the
        change was not made.
        """
        clip = new_clip_key(voice_id)
        began_at = time.monotonic()
        for attempt in count():
            try:
                await self._bucket.put_if_absent(clip, data)
                break
            except PreconditionFailed:
                break
            except OutcomeUnknown as unknown:
                last_unknown_reason.set(unknown.reason)
                if attempt and time.monotonic() - began_at > GIVE_UP_S:
                    raise unknown.error from None
                await pause(self._bucket, attempt, at_least_s=unknown.retry_after_s)
        return clip

    async def _live(self, voice_id: str) -> tuple[Document, Record, Voice]:
        document, record = await self._read(voice_id)
        if document is None or record is None or record.voice is None:
            raise voice_gone(voice_id)
        return document, record, record.voice

    async def _read(self, voice_id: str) -> tuple[Document | None, Record | None]:
        key = voice_key(voice_id)
        document = await read(self._bucket, key)
        return document, None if document is None else parsed_record(document.body, key=key)

    async def _write(self, voice_id: str, record: Record, *, over: Document | None) -> Versioned:
        document = await write(self._bucket, voice_key(voice_id), record.body, over=over)
        return Versioned(record, document.etag)


@contextlib.contextmanager
def _voice_not_written() -> Iterator[None]:
    """Turn an unknown outcome of a claim or a fence into a certain error: the voice's document has not been written."""
    try:
        yield
    except StorageUnsure as unsure:
        raise unsure.error from unsure


@contextlib.contextmanager
def _damage_logged() -> Iterator[None]:
    """Log a document that cannot be read, so that the rest is swept all the same."""
    try:
        yield
    except StorageFailed as error:
        _log.warning("nothing of this voice was swept: %s", error)
