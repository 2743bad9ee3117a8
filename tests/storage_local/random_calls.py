"""Random calls on shared names: `python random_calls.py FOLDER CALLS SEED`. Prints each as JSON when it has ended."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

from support.linearizability import Call

from chatterbox_api_core.errors import NameTaken, NotFound
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import VoiceChanges, VoiceDraft
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit.voice_store_concurrency import clip

NAMES = [f"name {i}" for i in range(5)]
TASKS = 3


async def call(store: VoiceStore, dice: random.Random, ids: list[str]) -> Call:
    kind = dice.choice(["add", "find", "find", "rename", "remove"])
    kind = kind if ids or kind not in ("rename", "remove") else "add"
    name = "" if kind == "remove" else dice.choice(NAMES)
    voice_id = dice.choice(ids[-8:]) if kind in ("rename", "remove") else None
    outcome = "ok"
    began_ns = time.monotonic_ns()
    try:
        if kind == "add":
            voice_id = (await store.add(VoiceDraft(name), clip(dice.randrange(1000)))).id
        elif kind == "find":
            found = await store.get_by_name(name)
            voice_id = None if found is None else found.id
        elif kind == "rename":
            await store.update(voice_id or "", VoiceChanges(name=name))
        else:
            await store.remove(voice_id or "")
    except NameTaken:
        outcome = "taken"
    except NotFound:
        outcome = "unknown"
    ended_ns = time.monotonic_ns()
    if voice_id is not None:
        ids.append(voice_id)
    return Call(kind, name, voice_id, outcome, began_ns, ended_ns)


async def main(folder: Path, calls: int, seed: int) -> None:
    ids: list[str] = []
    left = iter(range(calls))

    async def work(store: VoiceStore, dice: random.Random) -> None:
        for _ in left:
            print(json.dumps(asdict(await call(store, dice, ids))))

    async with LocalStore.open(folder) as store:
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(work(store, random.Random(f"{seed} {i}")) for i in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
