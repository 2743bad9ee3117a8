"""How several servers share one library in a bucket that can only compare and set one object at a time.

**What is true.** A voice is what its document `voices/<id>.json` says. The document is the only place where a voice
begins, changes or ends: it is created once (If-None-Match), changed by compare-and-set (If-Match), and its last
state is `deleted`, of which there is no way back. Everything else serves it.

**Clips** are written before the document that names them, under a key that is never used again. So a voice whose
document is there is whole, and a reader never sees half of anything.

**Names.** The document lists what the voice answers to, but uniqueness spans documents. So each name has a claim,
`names/<hash>.json`, that names one voice. *A claim counts only while the document of the voice it names lists that
name.* The invariant: a live document that lists a name is named by the claim of that name. It holds because

1. a voice takes its claims before the compare-and-set, or the creation, that makes its document list them;
2. for a change of names, the document is read *before* the claim is taken, and written over that very version;
3. whoever meets another's claim that does not count **fences** before taking it: it changes that voice's document,
   by a tombstone where there is none yet, else by writing it anew as it is. A writer between its steps 1 and 2 then
   finds its document changed, and begins again;
4. a writer that begins again claims again, by compare-and-set even where the claim still names it: whoever looked
   at the claim meanwhile then fails.

Without 2, a rename could be fenced before it had read its document; without 4, a claim could be taken by one who
had fenced the attempt before. The model in the tests finds both mistakes when they are planted.

Claims are never removed and never handed back: S3's DELETE has no condition, and a claim that does not count is as
good as none. A name costs one small object, once.

**Clean-up** is held to the same rule. A clip that no document names may belong to a writer that has not come to its
document yet, even if that writer has been stopped for a day. So `sweep` fences before it deletes, and a writer reads
the document it is to change before it writes the clip. Nothing depends on how long anything takes, with one
exception: tombstones of voices that once lived are removed after a day, and then a creation that has been under way
all that time could land. It cannot: the server refuses a request that was signed more than 15 minutes ago.

**Lost replies** are the business of `documents`: when `write` returns or raises Lost, it is certain. When it raises
Unsure it is not, and so is the change if that was the write of its document; but it is whole or absent, and whatever
is left of it is swept. A clip or a claim that may have been written is as good as none: then the change is certain
not to be done.

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

from chatterbox_api_core.errors import ChatterboxError, NameTaken, NotFound, StorageFailed
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_core.voices.names import canonical_name
from chatterbox_api_core.voices.revisions import amended, canonical_names, created, replaced
from chatterbox_api_storage_r2.bucket import Bucket, Conflict, Doubtful
from chatterbox_api_storage_r2.documents import GIVE_UP_S, Document, Lost, Unsure, last_doubt, pause, read, write
from chatterbox_api_storage_r2.records import (
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

__all__ = ["BucketLibrary", "gone"]

_log = logging.getLogger(__name__)

_TOMBSTONE: Final = Record(1, None)
"""Of a voice that never lived. It is never swept, so nothing can begin in its place."""


class BucketLibrary:
    """The operations on the library in a bucket. They go on until they are done; the caller sets the time limit.

    Args:
        patience: how often a voice in the making is looked at again before it is fenced.
    """

    def __init__(self, bucket: Bucket, *, patience: int = 4) -> None:
        self._bucket = bucket
        self._patience = patience

    async def add(self, draft: VoiceDraft, audio: VoiceAudio) -> Versioned:
        """Create a voice. NameTaken."""
        for attempt in count():
            voice = created(draft, audio)
            await self._check_free(voice)
            clip = await self._put_clip(voice.id, audio.data)
            try:
                with _nothing_begun():
                    for name in sorted(canonical_names(voice)):
                        await self._claim(name, voice)
                return await self._write(voice.id, Record(1, voice, clip), over=None)
            except NameTaken:
                await self.discard(clip)
                raise
            except Lost as lost:  # fenced by one who was faster, and whose voice may or may not come to be
                await self._discard_unnamed(clip, lost.found)
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def update(self, voice_id: str, changes: VoiceChanges) -> Versioned:
        """Change what a voice is called and what is said of it. NotFound, NameTaken."""
        for attempt in count():
            document, record, voice = await self._live(voice_id)
            changed = amended(voice, changes)
            with _nothing_begun():
                for name in sorted(canonical_names(changed) - canonical_names(voice)):
                    await self._claim(name, changed)
            with contextlib.suppress(Lost):
                return await self._write(voice_id, record.next(changed), over=document)
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def replace(self, voice_id: str, audio: VoiceAudio) -> tuple[Versioned, str]:
        """Give a voice another clip; also the key of the one before, which is not removed. NotFound."""
        for attempt in count():
            document, record, voice = await self._live(voice_id)
            clip = await self._put_clip(voice_id, audio.data)
            try:
                changed = record.next(replaced(voice, audio), clip=clip)
                return await self._write(voice_id, changed, over=document), record.clip
            except Lost as lost:
                await self._discard_unnamed(clip, lost.found)
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def remove(self, voice_id: str) -> Versioned:
        """End a voice, and remove its clip. NotFound."""
        for attempt in count():
            document, record, _ = await self._live(voice_id)
            with contextlib.suppress(Lost):
                removed = await self._write(voice_id, record.next(None, clip=""), over=document)
                await self.discard(record.clip)
                return removed
            await self._bucket.pause(attempt)
        raise AssertionError("unreachable")

    async def set_default(self, voice_id: str | None) -> None:
        """Choose the default voice, or none. NotFound."""
        for attempt in count():
            if voice_id is not None:
                await self._live(voice_id)
            over = await read(self._bucket, DEFAULT)
            with contextlib.suppress(Lost):
                await write(self._bucket, DEFAULT, {"voice": voice_id}, over=over)
                return
            await self._bucket.pause(attempt)

    async def claimant(self, canonical: str) -> str | None:
        """The id of the voice that has claimed a name; whether it counts, its document says."""
        document = await read(self._bucket, claim_key(canonical))
        return None if document is None else document.body.get("voice")

    async def discard(self, clip: str) -> None:
        """Remove a clip that nothing names any more, if that can be done now; else it is swept."""
        with contextlib.suppress(Doubtful, ChatterboxError):
            await self._bucket.delete(clip)

    async def sweep(self, *, before: datetime, clip_of: Callable[[str], Awaitable[str | None]]) -> int:
        """Remove what no voice needs and nobody has touched since `before`, by the server's time; how much it was.

        Args:
            clip_of: the clip that a voice's document names as far as is known; saves a look at each.
        """
        removed = 0
        async for page in self._bucket.list(CLIPS):
            for listed in page:
                voice_id = voice_id_of(listed.key)
                if voice_id is None or listed.modified_at >= before or await clip_of(voice_id) == listed.key:
                    continue
                with _damage_logged():
                    if await self._fence_clip(voice_id, listed.key):
                        await self._bucket.delete(listed.key)
                        removed += 1
        async for page in self._bucket.list(VOICES):
            for listed in page:
                voice_id = voice_id_of(listed.key)
                if voice_id is None or listed.modified_at >= before or await clip_of(voice_id):
                    continue
                with _damage_logged():
                    _, record = await self._read(voice_id)
                    if record is not None and record.voice is None and record.version > _TOMBSTONE.version:
                        await self._bucket.delete(listed.key)
                        removed += 1
        return removed

    async def _check_free(self, voice: Voice) -> None:
        """Refuse a name that is another's now, before a clip is sent for nothing; `_claim` has the last word."""
        for name in sorted(canonical_names(voice)):
            if (claimant := await self.claimant(name)) is not None:
                _, record = await self._read(claimant)
                if record is not None and record.answers_to(name):
                    raise _taken(name, voice)

    async def _claim(self, name: str, voice: Voice) -> None:
        """Have the claim of `name` name `voice`. NameTaken when it counts for another."""
        over: Document | None = None
        for attempt in count():
            try:
                await write(self._bucket, claim_key(name), {"voice": voice.id, "name": name}, over=over)
                return
            except Lost as lost:
                over = lost.found
            claimant = None if over is None else over.body.get("voice")
            if isinstance(claimant, str) and claimant != voice.id:
                await self._fence_claimant(claimant, name, voice)
            if attempt:
                await self._bucket.pause(attempt)

    async def _fence_claimant(self, claimant: str, name: str, voice: Voice) -> None:
        """See to it that a claimant whose claim does not count cannot make it count. NameTaken when it does."""
        for look in count():
            document, record = await self._read(claimant)
            if record is not None and record.answers_to(name):
                raise _taken(name, voice)
            if record is None and look < self._patience:
                await self._bucket.pause(look)
            elif await self._fenced(claimant, document, record):
                return

    async def _fence_clip(self, voice_id: str, clip: str) -> bool:
        """See to it that no document can come to name a clip. False when one does, or something is going on."""
        document, record = await self._read(voice_id)
        if record is not None and record.voice is not None and record.clip == clip:
            return False
        return await self._fenced(voice_id, document, record)

    async def _fenced(self, voice_id: str, document: Document | None, record: Record | None) -> bool:
        """Whether this version of a voice is final, or could be changed so that no writer who knows it goes on."""
        if record is not None and record.voice is None:
            return True
        try:
            await self._write(voice_id, _TOMBSTONE if record is None else record.next(record.voice), over=document)
        except Lost:
            return False
        return True

    async def _discard_unnamed(self, clip: str, found: Document | None) -> None:
        """Discard a clip whose document was not written; certainly not, since what is there names another."""
        if found is None or found.body.get("clip") != clip:
            await self.discard(clip)

    async def _put_clip(self, voice_id: str, data: bytes) -> str:
        """Write a clip under a new key, which is nobody else's: so there is no conflict but with oneself.

        While no document names it, it is all the same whether it has been written: an error says that nothing was
        done.
        """
        clip = new_clip_key(voice_id)
        began_at = time.monotonic()
        for attempt in count():
            try:
                await self._bucket.create(clip, data)
                break
            except Conflict:
                break
            except Doubtful as doubt:
                last_doubt.set(doubt.reason)
                if attempt and time.monotonic() - began_at > GIVE_UP_S:
                    raise doubt.error from None
                await pause(self._bucket, attempt, at_least_s=doubt.retry_after_s)
        return clip

    async def _live(self, voice_id: str) -> tuple[Document, Record, Voice]:
        document, record = await self._read(voice_id)
        if document is None or record is None or record.voice is None:
            raise gone(voice_id)
        return document, record, record.voice

    async def _read(self, voice_id: str) -> tuple[Document | None, Record | None]:
        key = voice_key(voice_id)
        document = await read(self._bucket, key)
        return document, None if document is None else parsed_record(document.body, key=key)

    async def _write(self, voice_id: str, record: Record, *, over: Document | None) -> Versioned:
        document = await write(self._bucket, voice_key(voice_id), record.body, over=over)
        return Versioned(record, document.etag)


@contextlib.contextmanager
def _nothing_begun() -> Iterator[None]:
    """A doubt about a claim or a fence is none about the voice: its document has not been written."""
    try:
        yield
    except Unsure as unsure:
        raise unsure.error from unsure


@contextlib.contextmanager
def _damage_logged() -> Iterator[None]:
    """One document that cannot be read must not keep the rest from being swept."""
    try:
        yield
    except StorageFailed as error:
        _log.warning("nothing of this voice was swept: %s", error)


def gone(voice_id: str) -> NotFound:
    return NotFound(f"There is no voice {voice_id!r}, or it has changed meanwhile.", field="voice")


def _taken(name: str, voice: Voice) -> NameTaken:
    field = "name" if name == canonical_name(voice.name) else "alias"
    spelled = next(each for each in (voice.name, *voice.aliases) if canonical_name(each) == name)
    return NameTaken(f"Another voice answers to {spelled!r}.", field=field)
