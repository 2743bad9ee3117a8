"""Writers that are killed: `python kill_rounds.py FOLDER ROUNDS SEED`.

Each round forks a writer, kills it with SIGKILL at a random moment, opens the folder again, and holds what is there
against what the writer has acknowledged. Prints counts as JSON; ends with an AssertionError where something is torn
or lost. Three tasks write at once, each to names of its own, so that of each one call at most is in doubt.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import VoiceChanges, VoiceDraft
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit.voice_store_concurrency import clip

TASKS = 3
Names = dict[str, int]
"""Of one task: the seed of the clip of each name."""


def audio(seed: int) -> bytes:
    return clip(seed, size_bytes=seed % 150_000 + 1).data


async def write(store: VoiceStore, task: int, names: Names, dice: random.Random, say: Callable[[object], None]) -> None:
    while True:
        known = sorted(names)
        name, new = f"t{task}-{dice.randrange(10**9)}", dice.randrange(10**9)
        data = clip(new, size_bytes=new % 150_000 + 1)
        old = dice.choice(known) if known else name
        kind = "add" if len(known) < 2 else dice.choice(["add", "replace", "rename", "remove"])
        kind = "remove" if len(known) > 6 else kind
        if kind == "add":
            after = names | {name: new}
        elif kind == "replace":
            after = names | {old: new}
        elif kind == "rename":
            after = {(name if each == old else each): seed for each, seed in names.items()}
        else:
            after = {each: seed for each, seed in names.items() if each != old}
        say([task, "begin", after])
        if kind == "add":
            await store.add(VoiceDraft(name), data)
        else:
            voice = await store.get_by_name(old)
            assert voice is not None
            if kind == "replace":
                await store.replace(voice.id, data)
            elif kind == "rename":
                await store.update(voice.id, VoiceChanges(name=name))
            else:
                await store.remove(voice.id)
        say([task, "done", after])
        names = after


async def write_for_ever(folder: Path, library: list[Names], seed: int, log: int) -> None:
    def say(line: object) -> None:
        os.write(log, json.dumps(line).encode() + b"\n")

    async with LocalStore.open(folder) as store:
        await asyncio.gather(
            *(write(store, task, names, random.Random(f"{seed} {task}"), say) for task, names in enumerate(library))
        )


def until_it_writes(log_path: Path) -> None:
    deadline = time.monotonic() + 20
    while not log_path.stat().st_size and time.monotonic() < deadline:
        time.sleep(0.002)


async def look(folder: Path) -> list[dict[str, str]]:
    """What is there: for each task the SHA-256 of each name's clip, as it is read. Then no file is left over."""
    found: list[dict[str, str]] = [{} for _ in range(TASKS)]
    async with LocalStore.open(folder, sweep_age_s=-10) as store:
        voices = await store.list(limit=1000)
        for voice in voices:
            task = int(voice.name[1 : voice.name.index("-")])
            found[task][voice.name] = hashlib.sha256(await store.read_clip(voice)).hexdigest()
            assert await store.get_by_name(voice.name) == voice
    assert len(os.listdir(folder / "audio")) == len(voices)  # noqa: PTH208
    return found


def main(folder: Path, rounds: int, seed: int) -> None:
    dice = random.Random(seed)
    library: list[Names] = [{} for _ in range(TASKS)]
    counts = {"rounds": 0, "acknowledged": 0, "in_doubt": 0, "in_doubt_and_done": 0, "left_over": 0}
    log_path = folder.with_name("acknowledged")
    for i in range(rounds):
        log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(write_for_ever(folder, library, seed * 1000 + i, log))
            finally:
                os._exit(1)
        if dice.random() < 0.75:  # else it may be killed while it opens the library
            until_it_writes(log_path)
        time.sleep(dice.uniform(0.0, 0.08))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the writer ended by itself"
        os.close(log)
        doubtful: list[Names | None] = [None] * TASKS
        for line in log_path.read_text().splitlines():
            task, what, names = json.loads(line)
            if what == "done":
                library[task], doubtful[task] = names, None
                counts["acknowledged"] += 1
            else:
                doubtful[task] = names
        files = len(os.listdir(folder / "audio")) if (folder / "audio").exists() else 0  # noqa: PTH208
        found = asyncio.run(look(folder))
        counts["left_over"] += files != sum(map(len, found))
        for task in range(TASKS):
            before, after = library[task], doubtful[task]
            if found[task] != digests(before):
                assert after is not None, f"round {i}: acknowledged {before}, found {found[task]}"
                assert found[task] == digests(after), f"round {i}: torn: {before}, {after}, found {found[task]}"
                library[task] = after
                counts["in_doubt_and_done"] += 1
            counts["in_doubt"] += after is not None
        counts["rounds"] += 1
    print(json.dumps(counts))


def digests(names: Names) -> dict[str, str]:
    return {name: hashlib.sha256(audio(seed)).hexdigest() for name, seed in names.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
