"""Random calls on two stores that share a bucket behind faulty proxies, recorded to be held against the model.

Each store has a mirror and a proxy of its own. About a third of the writes fails in one of the ways in which networks
and servers fail, and some of them leave the writer in the dark: the object cannot be read for a while afterwards.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from storage_r2.library_model import NEVER_NS, Call, State
from support.r2_stores import open_store
from support.s3_faults import FaultProxy, Request
from support.s3_servers import S3Server

from chatterbox_api_core.errors import ChatterboxError, NameTaken, NotFound, StorageFailed
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.store import R2Store
from chatterbox_api_testkit.voice_store_concurrency import clip

__all__ = ["NAMES", "FaultyProxy", "History", "two_stores"]

NAMES: Final = tuple(f"name {i}" for i in range(6))

_FAULTS: Final = {
    "lost-reply": 4,
    "lost-request": 4,
    "reset": 3,  # after the request was done
    "reset-before": 3,
    "late": 4,  # answered with a 500, and done a moment later
    "403": 2,
    "429": 1,
    "503": 1,
}
_DARK_SHARE: Final = 0.3
_DARK_READS: Final = 6
"""More attempts than a read has."""
_GONE_SHARE: Final = 0.1
_KINDS: Final = {
    "add": 4,
    "rename": 3,
    "add_alias": 3,
    "drop_alias": 1,
    "replace": 3,
    "remove": 3,
    "set_default": 2,
    "get": 2,
    "find": 4,
    "audio": 3,
    "default": 2,
}


class FaultyProxy(FaultProxy):
    """Lets writes fail at random while `faulty`. The servers' conditions are kept for them: moto looks and then writes.

    Attributes:
        faults: how often each fault was chosen.
        writes: how many there were while it was.
    """

    def __init__(self, upstream: str, *, seed: str, turn: threading.Lock, share: float) -> None:
        super().__init__(upstream)
        self._dice, self._turn, self._share = random.Random(seed), turn, share
        self._dark: defaultdict[str, int] = defaultdict(int)
        self.faulty = False
        self.faults: Counter[str] = Counter()
        self.writes = 0

    def _chosen(self, request: Request) -> str:
        if not self.faulty:
            return "pass"
        path = request.target.partition("?")[0]
        if request.method not in ("PUT", "DELETE"):
            self._dark[path] -= self._dark[path] > 0
            return "500" if self._dark[path] else "pass"
        self.writes += 1
        if self._dice.random() >= self._share:
            return "pass"
        (fault,) = self._dice.choices([*_FAULTS], weights=[*_FAULTS.values()])
        if self._dice.random() < _DARK_SHARE and ("/voices/voice_" in path or "default" in path):
            self._dark[path] = _DARK_READS + 1
            self.faults["dark"] += 1
        self.faults[fault] += 1
        return fault

    async def _serve(
        self, request: Request, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if fault == "reset-before":
            on_close = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, on_close)
            writer.transport.abort()
        elif fault == "late":
            await super()._serve(request, "lost-request", reader, writer)
            writer.close()
            await asyncio.sleep(self._dice.uniform(0.0, 0.6))
            await self._forward(request)
        else:
            await super()._serve(request, fault, reader, writer)

    async def _forward(self, request: Request) -> bytes:
        if request.method == "GET":
            return await super()._forward(request)
        while not self._turn.acquire(blocking=False):
            await asyncio.sleep(0.001)
        try:
            return await super()._forward(request)
        finally:
            self._turn.release()


@asynccontextmanager
async def two_stores(
    server: S3Server, *, prefix: str, seed: int, share: float = 0.35
) -> AsyncGenerator[tuple[tuple[R2Store, R2Store], tuple[FaultyProxy, FaultyProxy]], None]:
    """Two stores on one library that read the bucket each time, and their proxies, which cause no faults yet."""
    turn = threading.Lock()
    with (
        FaultyProxy(server.url, seed=f"{seed} one", turn=turn, share=share) as one,
        FaultyProxy(server.url, seed=f"{seed} other", turn=turn, share=share) as other,
    ):
        asking: dict[str, Any] = {"prefix": prefix, "fresh_s": 0, "stale_max_s": 0}
        async with (
            open_store(server, url=one.url, **asking) as first,
            open_store(server, url=other.url, **asking) as second,
        ):
            yield (first, second), (one, other)


class History:
    """What callers do and see.

    Attributes:
        calls: those that did something or showed something, in the order of their ends.
        clips: every clip that was ever sent, by SHA-256.
        voices: the voices that were seen, the last seen one last; a voice is there once.
        refused: the codes of the errors that say that a call was not done.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.clips: dict[str, bytes] = {}
        self.voices: dict[str, Voice] = {}
        self.refused: Counter[str] = Counter()
        self._ids: dict[str, str] = {}
        self._gone: set[str] = set()
        self._unsure: list[tuple[str, Call]] = []
        self._number = 0

    async def run(self, stores: tuple[VoiceStore, ...], *, calls: int, clients: int, seed: int) -> None:
        """Make the calls, with so many clients at each store."""
        left = iter(range(calls))
        async with asyncio.TaskGroup() as group:
            for each, store in enumerate(stores):
                for client in range(clients):
                    group.create_task(self._client(store, random.Random(f"{seed} {each} {client}"), left))

    def settle(self) -> None:
        """Tell which of the unsure adds have been: those whose voices were seen, once all that is there was."""
        for mark, call in self._unsure:
            if mark in self._ids:
                self.calls.append(Call(**{**vars(call), "voice_id": self._ids[mark]}))
        self._unsure.clear()

    async def _client(self, store: VoiceStore, dice: random.Random, left: Iterator[int]) -> None:
        for _ in left:
            (kind,) = dice.choices([*_KINDS], weights=[*_KINDS.values()])
            voice = self._some(dice)
            name, alias = dice.sample(NAMES, 2)
            if kind == "find":
                await self.find(store, name)
            elif kind == "default":
                await self.default(store)
            elif kind == "add" or voice is None:
                await self.add(store, name, alias if dice.random() < 0.3 else "")
            elif kind in ("rename", "add_alias", "drop_alias"):
                with_alias = kind != "drop_alias" and (kind == "add_alias" or dice.random() < 0.2)
                await self.update(
                    store,
                    voice.id,
                    name=name if kind == "rename" else "",
                    alias=alias if with_alias else "",
                    dropped=dice.choice(voice.aliases or NAMES) if kind == "drop_alias" else "",
                )
            elif kind == "set_default":
                await self.set_default(store, voice.id if dice.random() < 0.9 else None)
            elif kind == "audio":
                await self.audio(store, voice)
            else:
                await getattr(self, kind)(store, voice.id)

    async def add(self, store: VoiceStore, name: str, alias: str = "") -> Voice | None:
        audio, mark = self._clip(), f"add {self._number}"
        draft = VoiceDraft(name, (alias,) if alias else (), consent=mark)
        what = {"name": name, "alias": alias, "sha256": audio.sha256}
        return await self._voice("add", store.add(draft, audio), None, mark=mark, **what)

    async def update(
        self, store: VoiceStore, voice_id: str, *, name: str = "", alias: str = "", dropped: str = ""
    ) -> Voice | None:
        changes = VoiceChanges(
            **({"name": name} if name else {}),
            add_aliases=(alias,) if alias else (),
            remove_aliases=(dropped,) if dropped else (),
        )
        what = {"name": name, "alias": alias, "dropped_alias": dropped}
        return await self._voice("amend", store.update(voice_id, changes), voice_id, **what)

    async def replace(self, store: VoiceStore, voice_id: str) -> Voice | None:
        audio = self._clip()
        return await self._voice("replace", store.replace(voice_id, audio), voice_id, sha256=audio.sha256)

    async def remove(self, store: VoiceStore, voice_id: str) -> None:
        await self._recorded("remove", store.remove(voice_id), voice_id)

    async def set_default(self, store: VoiceStore, voice_id: str | None) -> None:
        await self._recorded("set_default", store.set_default(voice_id), voice_id)

    async def get(self, store: VoiceStore, voice_id: str) -> Voice | None:
        return await self._voice("get", store.get(voice_id), voice_id)

    async def find(self, store: VoiceStore, name: str) -> Voice | None:
        return await self._voice("find", store.get_by_name(name), None, name=name)

    async def default(self, store: VoiceStore) -> Voice | None:
        return await self._voice("default", store.default(), None)

    async def audio(self, store: VoiceStore, voice: Voice) -> None:
        data = await self._recorded("audio", store.read_clip(voice), voice.id, sha256=voice.sha256)
        assert data is None or data == self.clips[voice.sha256], "not the bytes that were sent"

    def _clip(self) -> VoiceAudio:
        self._number += 1
        audio = clip(self._number, size_bytes=200 + self._number % 1000)
        self.clips[audio.sha256] = audio.data
        return audio

    async def _voice(self, kind: str, work: Awaitable[Voice | None], voice_id: str | None, **what: str) -> Voice | None:
        found = await self._recorded(kind, work, voice_id, **what)
        assert found is None or isinstance(found, Voice)
        return found

    async def _recorded(
        self, kind: str, work: Awaitable[object], voice_id: str | None, *, mark: str = "", **what: str
    ) -> object:
        began_ns = time.monotonic_ns()
        outcome, taken, returned = "ok", "", None
        try:
            returned = await work
        except NameTaken as error:
            outcome, taken = "taken", what["name"] if error.field == "name" else what["alias"]
        except NotFound:
            outcome = "unknown"
        except ChatterboxError as error:
            assert not (isinstance(error, StorageFailed) and error.code != "storage_read_only"), error
            if error.code != "storage_unsure":
                self.refused[error.code] += 1
                return None
            outcome = "unsure"
        ended_ns = NEVER_NS if outcome == "unsure" else time.monotonic_ns()
        seen = self._saw(returned) if isinstance(returned, Voice) else None
        voice_id = returned.id if isinstance(returned, Voice) else voice_id
        call = Call(kind, voice_id, outcome, began_ns, ended_ns, taken=taken, seen=seen, **what)
        if kind == "add" and outcome == "unsure":
            self._unsure.append((mark, call))
        else:
            self.calls.append(call)
        if call.shows_death:
            self._gone.add(str(voice_id))
        return returned

    def _saw(self, voice: Voice) -> State:
        if voice.consent is not None:
            self._ids[voice.consent] = voice.id
        self.voices.pop(voice.id, None)
        self.voices[voice.id] = voice
        return State.of(voice)

    def _some(self, dice: random.Random) -> Voice | None:
        """A voice that was seen lately; now and then one that is gone."""
        gone = dice.random() < _GONE_SHARE
        some = [voice for voice_id, voice in self.voices.items() if (voice_id in self._gone) == gone]
        return dice.choice(some[-6:]) if some else None
