"""The real process, with quick jobs: whatever ends it, one request fails and all others are answered."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from synth_chatterbox.quick import LONG, Process, is_there, until_gone

from chatterbox_api_core.errors import SynthesisFailed, Unavailable
from chatterbox_api_worker.handle import WorkerHandle
from chatterbox_api_worker.spec import Timeouts

FATAL = {
    "kill": ("engine_died", "SIGKILL"),
    "exit": ("engine_died", "exited with code 1"),
    "noise": ("engine_died", "invalid frame"),
    "riddle": ("engine_died", "invalid frame"),
    "nothing": ("engine_died", "invalid frame"),
    "cuda": ("synthesis_failed", "RuntimeError"),
}


async def test_what_ends_the_process_fails_the_request_it_worked_on_and_no_other(
    folder: Path, environment: dict[str, str]
) -> None:
    """All are asked at once; the last waits behind six that each take a process with them."""
    async with Process(folder, environment) as process:
        deadly = {word: process.begin(f"[[{word}@3]] this one") for word in FATAL}
        good = {word: process.begin(f"beside {word}") for word in FATAL}
        for word, (code, words) in FATAL.items():
            with pytest.raises(SynthesisFailed) as caught:
                await deadly[word]
            assert caught.value.code == code, word
            assert words in caught.value.message
        for word in FATAL:
            assert await good[word] == await process.say(f"beside {word}")
        jobs = process.jobs()
        assert jobs.count("load") == 1 + len(FATAL)
        assert [jobs.count(f"[[{word}@3]] this one") for word in FATAL] == [1] * len(FATAL)
        assert process.worker.usable
        assert not process.worker.busy


async def test_what_hangs_is_ended_and_what_waits_behind_it_is_answered(
    folder: Path, environment: dict[str, str]
) -> None:
    async with Process(folder, environment, Timeouts(stall_s=1)) as process:
        hanging, behind = process.begin("[[hang@3]]"), process.begin("behind")
        await process.until_begun("[[hang@3]]")
        pid = process.pid
        with pytest.raises(SynthesisFailed, match="did not respond for 1 s") as caught:
            await hanging
        assert caught.value.code == "engine_hung"
        assert await behind == await process.say("behind")
        assert pid is not None
        assert not is_there(pid)


@pytest.mark.parametrize(
    ("word", "code"), [("raise", "synthesis_failed"), ("oom", "out_of_memory"), ("memory", "out_of_memory")]
)
async def test_a_failure_that_harms_nothing_keeps_the_process(
    word: str, code: str, folder: Path, environment: dict[str, str]
) -> None:
    async with Process(folder, environment) as process:
        good = await process.say("good")
        pid = process.pid
        failed, behind = await asyncio.gather(
            process.begin(f"[[{word}@2]] bad"), process.begin("good"), return_exceptions=True
        )
        assert isinstance(failed, SynthesisFailed)
        assert failed.code == code
        assert behind == good
        assert process.pid == pid


async def test_a_process_that_ends_again_and_again_is_given_up(
    folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends between being ready and being asked, each time; no request goes round for ever."""
    async with Process(folder, environment) as process:
        started: list[int] = []
        start = WorkerHandle.start

        async def ends_soon(*args: Any, **kwargs: Any) -> WorkerHandle:
            handle = await start(*args, **kwargs)
            await handle.ready
            started.append(handle.pid)
            os.kill(handle.pid, signal.SIGKILL)
            await handle.exited.wait()
            return handle

        monkeypatch.setattr(WorkerHandle, "start", ends_soon)
        with pytest.raises(Unavailable, match="exited 3 times in a row") as caught:
            await process.say("hello")
        assert caught.value.code == "engine_died"
        assert len(started) == 3
        monkeypatch.undo()
        assert len(await process.say("hello")) == 4


async def test_a_process_killed_without_work_is_replaced_without_a_failure(
    folder: Path, environment: dict[str, str]
) -> None:
    async with Process(folder, environment) as process:
        good = await process.say("good")
        for _ in range(2):
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            assert await process.say("good") == good


async def test_a_process_whose_input_breaks_while_it_is_asked_is_replaced(
    folder: Path, environment: dict[str, str]
) -> None:
    """More is sent than pipes hold, to a process that stands still and is then killed."""
    async with Process(folder, environment) as process:
        await process.load()
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        head = {"do": "speak", "text": "big", "seed": 1, "language": "en", "params": {}}
        asked = [asyncio.create_task(process.run(head, bytes(2**21))) for _ in range(3)]
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        answers = await asyncio.gather(*asked)
        assert {len(data) for _, data in answers} == {16}


@pytest.mark.parametrize("word", ["fork", "spawn"])
async def test_pipes_held_by_a_process_of_its_own_hold_up_nothing(
    word: str, folder: Path, environment: dict[str, str]
) -> None:
    """The end of the process is seen although all its pipes, or only that of its errors, stay open."""
    async with Process(folder, environment, Timeouts(stall_s=2)) as process:
        began_s = time.monotonic()
        deadly, behind = process.begin(f"[[{word}@1]] bad"), process.begin("behind")
        with pytest.raises(SynthesisFailed, match="SIGKILL"):
            await deadly
        assert len(await behind) == 4
        assert time.monotonic() - began_s < 15
        (folder / "over").touch()


async def test_what_it_prints_neither_blocks_it_nor_reaches_the_frames(
    folder: Path, environment: dict[str, str]
) -> None:
    """1.4 MB without the end of a line, on standard output."""
    async with Process(folder, environment, Timeouts(stall_s=5)) as process:
        assert len(await process.say("[[print@1]] a lot")) == 4
        assert len(await process.say("[[print@1]] a lot")) == 4
        pid = process.pid
        with pytest.raises(SynthesisFailed):
            await process.say("[[kill@1]]")
        assert pid is not None


async def test_the_last_lines_are_in_the_log(
    folder: Path, environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with Process(folder, environment) as process:
        with pytest.raises(SynthesisFailed):
            await process.say("[[exit@2]]")
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "exited with code 1. Its last lines: Traceback" in line
    assert "SystemExit: 3" in line


# Cancelling


async def test_cancelling_returns_at_once_and_the_next_does_not_wait(folder: Path, environment: dict[str, str]) -> None:
    async with Process(folder, environment) as process:
        long = process.begin(LONG)
        await process.until_begun(LONG)
        began_s = time.monotonic()
        long.cancel()
        await asyncio.wait((long,))
        assert long.cancelled()
        assert time.monotonic() - began_s < 0.5
        await process.say("next")
        assert time.monotonic() - began_s < 5
        assert process.jobs() == ["load", LONG, "next"]


async def test_what_is_cancelled_before_it_begins_never_begins(folder: Path, environment: dict[str, str]) -> None:
    async with Process(folder, environment) as process:
        front = process.begin("front" * 40)
        await process.until_begun("front" * 40)
        behind = [process.begin(f"behind {number}") for number in range(6)]
        await asyncio.sleep(0.05)
        for task in behind[::2]:
            task.cancel()
        await asyncio.gather(front, *behind, return_exceptions=True)
        assert process.jobs()[2:] == ["behind 1", "behind 3", "behind 5"]


async def test_cancelling_while_it_loads_stops_the_loading_for_nobody(
    folder: Path, environment: dict[str, str]
) -> None:
    (folder / "loading").write_text("sleep 0.3")
    async with Process(folder, environment, Timeouts(idle_s=0.5)) as process:
        one, other = process.begin("one"), process.begin("other")
        await process.until_begun("load")
        one.cancel()
        assert len(await other) == 4
        assert process.jobs() == ["load", "other"]


async def test_loading_that_nobody_waits_for_any_more_is_finished_and_then_given_back(
    folder: Path, environment: dict[str, str]
) -> None:
    """Its time without work begins when it is loaded."""
    (folder / "loading").write_text("sleep 0.5")
    async with Process(folder, environment, Timeouts(idle_s=0.2)) as process:
        asked = process.begin("never")
        await process.until_begun("load")
        asked.cancel()
        pid = process.pid
        assert pid is not None
        await asyncio.sleep(0.3)
        assert is_there(pid)
        await until_gone(pid)
        assert process.jobs() == ["load"]


async def test_a_flood_of_cancelled_requests_leaves_nothing(folder: Path, environment: dict[str, str]) -> None:
    chance = random.Random(1)
    async with Process(folder, environment) as process:
        await process.load()
        for _ in range(4):
            flood = [process.begin(LONG) for _ in range(50)]
            await asyncio.sleep(chance.choice((0, 0, 0.01, 0.03)))
            for task in chance.sample(flood, len(flood)):
                task.cancel()
            await asyncio.wait(flood)
            assert all(task.cancelled() for task in flood)
        assert await process.say("How many are cancelled?") == (0.0,)
        assert process.worker.usable
        assert not process.worker.busy
        assert process.worker.open_jobs == 0


async def test_a_cancelled_request_that_hangs_is_ended_all_the_same(folder: Path, environment: dict[str, str]) -> None:
    """Nobody waits for it any more; the next must not wait for it from the beginning."""
    async with Process(folder, environment, Timeouts(stall_s=1)) as process:
        hanging = process.begin("[[hang@1]] x")
        await process.until_begun("[[hang@1]] x")
        pid = process.pid
        hanging.cancel()
        assert pid is not None
        await until_gone(pid)
        assert len(await process.say("next")) == 4


async def test_a_pause_of_the_machine_is_not_taken_for_a_hang(folder: Path, environment: dict[str, str]) -> None:
    """As when a machine sleeps: both stand still for longer than a process may be silent."""
    async with Process(folder, environment, Timeouts(load_s=5, stall_s=1)) as process:
        await process.load()
        await asyncio.sleep(0.6)  # until loading is no longer what is watched
        text = "y" * 500
        task = process.begin(text)
        await process.until_begun(text)
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1.3)
        os.kill(pid, signal.SIGCONT)
        assert len(await task) == 4
        assert process.pid == pid
