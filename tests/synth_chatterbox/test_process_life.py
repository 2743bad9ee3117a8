"""How the process comes and goes: loading, its failures, leaving without work, the end of the service."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from synth_chatterbox.quick import LONG, Process, is_there, until_gone

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, Unavailable
from chatterbox_api_worker import handle
from chatterbox_api_worker.spec import Timeouts


class Caller:
    """What a frame of a caller holds."""


# Loading


LOADING = {
    "fail": (ConfigurationError, "weights_missing", "Weights are missing."),
    "kill": (Unavailable, "engine_died", "SIGKILL"),
    "crash": (Unavailable, "engine_died", "exited with code 1"),
    "sleep 60": (Unavailable, "engine_hung", "did not respond for 1 s while loading"),
}


@pytest.mark.parametrize("what", LOADING)
async def test_what_cannot_be_loaded_is_said_and_tried_again_later(
    what: str, folder: Path, environment: dict[str, str]
) -> None:
    kind, code, words = LOADING[what]
    (folder / "loading").write_text(what)
    async with Process(folder, environment, Timeouts(load_s=1, retry_s=0.6 if what == "fail" else 60)) as process:
        asked = await asyncio.gather(process.begin("one"), process.begin("two"), return_exceptions=True)
        (folder / "loading").unlink()
        for error in asked:
            assert type(error) is kind
            assert isinstance(error, ChatterboxError)
            assert error.code == code
            assert words in error.message
        assert process.pid is None
        known = process.load_failure
        assert known is not None
        assert known.code == code
        with pytest.raises(kind):
            await process.say("too soon")
        assert process.jobs() == ["load"]
        if what == "fail":
            async with asyncio.timeout(10):
                while process.load_failure is not None:
                    await asyncio.sleep(0.02)
            assert len(await process.say("now")) == 4
            assert process.load_failure is None


async def test_who_waits_long_for_the_model_is_told_how_far_it_is(folder: Path, environment: dict[str, str]) -> None:
    """And the loading goes on: who comes back later speaks."""
    (folder / "loading").write_text("sleep 3")
    async with Process(folder, environment, Timeouts(wait_s=1)) as process:
        assert process.worker.slow_load is None
        with pytest.raises(Unavailable, match="Quick is still loading") as told:
            await process.say("one")
        assert told.value.code == "engine_loading"
        assert process.worker.slow_load is not None
        async with asyncio.timeout(20):
            while process.worker.slow_load is not None:
                await asyncio.sleep(0.05)
        assert len(await process.say("two")) == 4
        assert process.jobs() == ["load", "two"]


async def test_a_known_failure_holds_on_to_none_of_those_it_was_told_to(
    folder: Path, environment: dict[str, str]
) -> None:
    (folder / "loading").write_text("fail")
    async with Process(folder, environment, Timeouts(retry_s=60)) as process:
        callers: list[weakref.ref[Caller]] = []

        async def ask() -> None:
            caller = Caller()
            callers.append(weakref.ref(caller))
            with pytest.raises(ConfigurationError, match="missing"):
                await process.say("x")

        for _ in range(30):
            await ask()
        gc.collect()
        assert process.load_failure is not None
        assert sum(caller() is not None for caller in callers) <= 1, "the one that had it loaded"


async def test_a_process_that_does_not_start_is_said(folder: Path, environment: dict[str, str]) -> None:
    async with Process(folder, environment) as process:
        executable = sys.executable
        try:
            sys.executable = "/nowhere/python"
            with pytest.raises(Unavailable, match="does not start"):
                await process.say("x")
        finally:
            sys.executable = executable


# Without work


async def test_without_work_the_process_is_gone_and_comes_back(folder: Path, environment: dict[str, str]) -> None:
    async with Process(folder, environment, Timeouts(idle_s=0.2)) as process:
        for _ in range(2):
            good = await process.say("good")
            pid = process.pid
            assert pid is not None
            await until_gone(pid)
            assert process.pid is None
            assert await process.say("good") == good
            assert process.pid != pid


async def test_two_models_are_never_in_memory_at_once(
    folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even while one that is being ended takes its time."""
    monkeypatch.setattr(handle, "_EXIT_S", 0.5)
    async with Process(folder, environment, Timeouts(idle_s=0.1)) as process:
        await process.say("good")
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it cannot see that it is to end
        async with asyncio.timeout(10):
            while process.pid is not None:
                await asyncio.sleep(0.02)
        assert is_there(pid)
        await process.say("good")
        assert not is_there(pid)


async def test_requests_at_the_moment_of_leaving_all_succeed(folder: Path, environment: dict[str, str]) -> None:
    chance, idle_s = random.Random(7), 0.05
    async with Process(folder, environment, Timeouts(idle_s=idle_s)) as process:
        good = await process.say("good")
        for _ in range(12):
            await asyncio.sleep(chance.uniform(0.7, 1.3) * idle_s)
            count = chance.randint(1, 3)
            assert await asyncio.gather(*(process.say("good") for _ in range(count))) == [good] * count
        assert process.jobs().count("load") > 1


async def test_work_that_goes_on_beside_work_that_has_ended_is_not_cut_off(
    folder: Path, environment: dict[str, str]
) -> None:
    async with Process(folder, environment, Timeouts(idle_s=0.05)) as process:
        short, long = process.begin("short"), process.begin("y" * 300)
        await short
        assert len(await long) == 4
        assert process.jobs().count("load") == 1


# Closing


@pytest.mark.parametrize("when", ["starting", "loading", "working", "waiting", "idle", "ending", "hanging", "stopped"])
async def test_closing_at_any_moment_leaves_nothing(
    when: str, folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked is told that the service stops; see Process.__aexit__."""
    monkeypatch.setattr(handle, "_EXIT_S", 0.5)
    if when == "loading":
        (folder / "loading").write_text("sleep 60")
    asked: list[asyncio.Task[Any]] = []
    text = "[[hang@1]]" if when == "hanging" else LONG
    async with Process(folder, environment, Timeouts(idle_s=0.02 if when == "ending" else 0)) as process:
        if when in ("idle", "ending", "stopped"):
            await process.say("good")
        if when == "ending":
            async with asyncio.timeout(10):
                while process.pid is not None:
                    await asyncio.sleep(0)
        if when == "stopped":
            assert process.pid is not None
            os.kill(process.pid, signal.SIGSTOP)
        if when not in ("idle", "ending"):
            asked = [process.begin(text), process.begin("behind")]
        if when in ("working", "hanging"):
            await process.until_begun(text)
        elif when == "loading":
            await process.until_begun("load")
        else:
            await asyncio.sleep(0)
        if when == "waiting":
            await process.until_begun("load")
        closing = asyncio.create_task(process.close())
        done = await asyncio.gather(*asked, return_exceptions=True)
        await closing
        assert {type(each) for each in done} <= {Unavailable}
        assert {each.code for each in done if isinstance(each, Unavailable)} <= {"engine_unavailable"}
        with pytest.raises(Unavailable):
            await process.say("after")


async def test_closing_at_random_moments_leaves_nothing(folder: Path, environment: dict[str, str]) -> None:
    chance = random.Random(3)
    for _ in range(5):
        async with Process(folder, environment, Timeouts(idle_s=0.03)) as process:
            asked = [process.begin("good") for _ in range(3)]
            await asyncio.sleep(chance.uniform(0, 0.4))
            await process.close()
            done = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(each) for each in done} <= {tuple, Unavailable}


@pytest.mark.parametrize("doing", ["nothing", "[[hang@1]]", "loading"])
def test_the_death_of_the_service_ends_the_process(doing: str, folder: Path, environment: dict[str, str]) -> None:
    """It is killed; nothing tells the process but the end of its input."""
    if doing == "loading":
        (folder / "loading").write_text("sleep 60")
    script = f"""
import asyncio
from pathlib import Path
from chatterbox_api_synth_chatterbox.supervisor import ModelSupervisor

async def main():
    config = {{"role": "speech", "folder": {str(folder)!r}}}
    process = ModelSupervisor(config, title="Quick", environment={environment!r})
    asked = asyncio.create_task(process.load())
    jobs = Path({str(folder / "jobs")!r})
    while not jobs.exists():
        await asyncio.sleep(0.01)
    if {doing!r} != "loading":
        await asked
        head = {{"do": "speak", "text": {doing!r}, "seed": 1, "language": "en", "params": {{}}}}
        asked = asyncio.create_task(process.run(head, b""))
        while {doing!r} not in jobs.read_text():
            await asyncio.sleep(0.01)
    print(process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_there(pid)
        parent.kill()
    until_s = time.monotonic() + 2
    while is_there(pid, zombies=False) and time.monotonic() < until_s:
        time.sleep(0.02)
    assert not is_there(pid, zombies=False), "it outlives its parent"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_for_the_whole_service_are_left_to_it(
    number: signal.Signals, folder: Path, environment: dict[str, str]
) -> None:
    """A terminal and a service manager send them to each process, while the service has work to finish."""
    async with Process(folder, environment) as process:
        text = "z" * 300
        task = process.begin(text)
        await process.until_begun(text)
        assert process.pid is not None
        os.kill(process.pid, number)
        assert len(await task) == 4
