"""Writers to a bucket that are killed: `python kill_rounds.py URL BUCKET FOLDER ROUNDS SEED`.

Each round forks a writer, kills it with SIGKILL at a random moment, and holds what is in the bucket against what the
writer has acknowledged; the mirror in the folder goes from one writer to the next. Prints counts as JSON; ends with
an AssertionError where something is torn, lost, or left over once it was swept. Three tasks write at once, each to
names of its own, so that of each task the outcome of one call at most is unknown.

What looks is forked too, for obstore must not have been used in a process that forks.
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
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from storage_r2.library_contents import contents_of, sweep_all
from support.r2_stores import open_store
from support.s3_servers import S3Server

from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceChanges, VoiceDraft
from chatterbox_api_testkit.voice_store_concurrency import clip

PREFIX: Final = "killed"
TASKS: Final = 3
LONGEST_S: Final = 0.4
Names = dict[str, int]
"""Of one task: the seed of the clip of each name."""
Digests = list[dict[str, str]]
"""For each task the SHA-256 of each name's clip."""


def audio(seed: int) -> VoiceAudio:
    return clip(seed, size_bytes=seed % 150_000 + 1)


async def write(store: VoiceStore, task: int, names: Names, dice: random.Random, say: Callable[[object], None]) -> None:
    while True:
        known = sorted(names)
        name, new = f"t{task}-{dice.randrange(10**9)}", dice.randrange(10**9)
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
            await store.add(VoiceDraft(name), audio(new))
        else:
            voice = await store.get_by_name(old)
            assert voice is not None
            if kind == "replace":
                await store.replace(voice.id, audio(new))
            elif kind == "rename":
                await store.update(voice.id, VoiceChanges(name=name))
            else:
                await store.remove(voice.id)
        say([task, "done", after])
        names = after


async def write_for_ever(server: S3Server, mirror: Path, library: list[Names], seed: int, log: int) -> None:
    def say(line: object) -> None:
        os.write(log, json.dumps(line).encode() + b"\n")

    async with open_store(server, prefix=PREFIX, mirror_path=mirror, fresh_s=0, stale_max_s=0) as store:
        say("open")
        await asyncio.gather(
            *(write(store, task, names, random.Random(f"{seed} {task}"), say) for task, names in enumerate(library))
        )


async def look(server: S3Server, mirror: Path, result: Path) -> None:
    """Write down what is there, the same with the writer's mirror and without. Then nothing is left over."""
    left_over = len((await contents_of(server, PREFIX)).left_over)
    await sweep_all(server, PREFIX)
    contents = await contents_of(server, PREFIX)
    assert contents.left_over == set()
    one, other = await asyncio.gather(*(found_with(server, each, contents.voices) for each in (mirror, None)))
    assert one == other
    result.write_text(json.dumps([left_over, one]))


async def found_with(server: S3Server, mirror: Path | None, voices: dict[str, Voice]) -> Digests:
    """What a server with this mirror finds, which are these voices."""
    found: Digests = [{} for _ in range(TASKS)]
    async with open_store(server, prefix=PREFIX, mirror_path=mirror, fresh_s=0, stale_max_s=0) as store:
        assert {voice.id: voice for voice in await store.list(limit=1000)} == voices
        for voice in voices.values():
            task = int(voice.name[1 : voice.name.index("-")])
            found[task][voice.name] = hashlib.sha256(await store.read_clip(voice)).hexdigest()
            assert await store.get_by_name(voice.name) == voice
    return found


def forked(work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Start the work in a process of its own; its id."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work())
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return child


def killed(child: int, log: Path, dice: random.Random) -> None:
    """Kill a writer while it opens the store, at times, or else a while after."""
    if dice.random() < 0.85:
        deadline = time.monotonic() + 60
        while not log.read_text():
            assert time.monotonic() < deadline, "the writer does not open the store"
            time.sleep(0.005)
    time.sleep(dice.uniform(0.0, LONGEST_S))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended by itself"


def acknowledged(log: Path, library: list[Names]) -> tuple[int, list[Names | None]]:
    """Bring the library up to what a writer has acknowledged; how many calls that were, and the unknown outcomes."""
    unknown: list[Names | None] = [None] * TASKS
    done = 0
    for line in log.read_text().splitlines()[1:]:
        task, what, names = json.loads(line)
        if what == "done":
            library[task], unknown[task] = names, None
            done += 1
        else:
            unknown[task] = names
    return done, unknown


def digests(names: Names) -> dict[str, str]:
    return {name: audio(seed).sha256 for name, seed in names.items()}


def main(server: S3Server, folder: Path, rounds: int, seed: int) -> None:
    dice = random.Random(seed)
    library: list[Names] = [{} for _ in range(TASKS)]
    counts = {"rounds": 0, "acknowledged": 0, "unknown": 0, "unknown_and_done": 0, "left_over": 0}
    mirror, log_path, result = folder / "mirror.db", folder / "log", folder / "found"
    for i in range(rounds):
        log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        killed(
            forked(lambda: write_for_ever(server, mirror, library, seed * 1000 + i, log)),  # noqa: B023
            log_path,
            dice,
        )
        os.close(log)
        done, unknown = acknowledged(log_path, library)
        _, status = os.waitpid(forked(lambda: look(server, mirror, result)), 0)
        assert status == 0, f"round {i}: what is there cannot be read"
        left_over, found = json.loads(result.read_text())
        for task, after in enumerate(unknown):
            if found[task] != digests(library[task]):
                assert after is not None, f"round {i}: acknowledged {library[task]}, found {found[task]}"
                assert found[task] == digests(after), f"round {i}: torn: {library[task]}, {after}, {found[task]}"
                library[task] = after
                counts["unknown_and_done"] += 1
        counts["rounds"] += 1
        counts["acknowledged"] += done
        counts["unknown"] += sum(after is not None for after in unknown)
        counts["left_over"] += left_over
    print(json.dumps(counts))


if __name__ == "__main__":
    main(
        S3Server("moto", sys.argv[1], sys.argv[2], "moto-key-id", "moto-secret-access-key"),
        Path(sys.argv[3]),
        int(sys.argv[4]),
        int(sys.argv[5]),
    )
