"""A real worker on its bad days: one job fails, with its reason, and all others are answered."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import psutil
import pytest
from worker.conftest import PATIENT, TESTS, Supervised, freeze, spec_of

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, InvalidAudio, SynthesisFailed, Unavailable
from chatterbox_api_worker.handle import WorkerHandle, WorkerState
from chatterbox_api_worker.process import WorkerProcess
from chatterbox_api_worker.spec import Cause, JobLimits, Timeouts, WorkerExited
from chatterbox_api_worker.supervisor import Supervisor

QUICK = Timeouts(load_s=20, stall_s=3, ping_s=3, cancel_s=0.5, retry_s=0.3)
NO_FRAME = b"Traceback (most recent call last):\n"
NESTED = struct.pack("<II", 200_000, 0) + b"[" * 200_000
OTHER_JOB = struct.pack("<II", 27, 0) + b'{"id": 99, "event": "done"}'


async def echo(worker: Supervisor, payload: bytes = b"") -> bytes:
    return bytes((await worker.run({"do": "echo"}, payload))[1])


async def until_gone(pid: int | None) -> None:
    assert pid is not None
    async with asyncio.timeout(10):
        while psutil.pid_exists(pid):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_537, 3 * 2**20])
async def test_payloads_come_back_as_they_were_sent(size: int, supervised: Supervised) -> None:
    async with supervised() as worker:
        payload = os.urandom(size)
        header, answer = await worker.run({"do": "echo", "text": "Größe 小明"}, memoryview(payload))
        assert header["said"] == "Größe 小明"
        assert answer.readonly
        assert bytes(answer) == payload


@pytest.mark.parametrize(
    ("job", "cause", "words"),
    [
        ({"do": "crash"}, Cause.CRASHED, "was killed by SIGSEGV"),
        ({"do": "crash", "signal": signal.SIGKILL}, Cause.CRASHED, "as the system does when memory runs out"),
        ({"do": "crash", "signal": signal.SIGABRT}, Cause.CRASHED, "was killed by SIGABRT"),
        ({"do": "leave"}, Cause.CRASHED, "exited with code 0"),
        ({"do": "leave", "code": 7}, Cause.CRASHED, "exited with code 7"),
        ({"do": "count", "pieces": 5, "crash_at": 2}, Cause.CRASHED, "SIGSEGV"),
        ({"do": "garbage", "data": NO_FRAME.hex()}, Cause.INVALID_FRAME, "sent an invalid frame and was stopped"),
        ({"do": "garbage", "data": OTHER_JOB.hex()}, Cause.INVALID_FRAME, "invalid frame"),
        ({"do": "garbage", "data": "ff" * 64}, Cause.INVALID_FRAME, "invalid frame"),
        ({"do": "garbage", "data": NESTED.hex()}, Cause.INVALID_FRAME, "invalid frame"),
        ({"do": "answer", "size": 5000}, Cause.ANSWER_TOO_LARGE, "sent too large an answer"),
        ({"do": "count", "pieces": 100, "size": 100}, Cause.ANSWER_TOO_LARGE, "sent too large an answer"),
        ({"do": "sleep", "for_s": 600}, Cause.DEADLINE, "took longer than 0.5 s and was stopped"),
        ({"do": "deaf"}, Cause.DEADLINE, "took longer than 0.5 s"),
        ({"do": "steps", "count": 100_000}, Cause.DEADLINE, "took longer than 0.5 s"),
    ],
)
async def test_what_ends_the_worker_fails_its_own_job_alone(
    job: dict[str, Any], cause: Cause, words: str, supervised: Supervised
) -> None:
    async with supervised() as worker:
        await echo(worker)
        pid = worker.pid
        limits = JobLimits(deadline_s=0.5 if cause is Cause.DEADLINE else 20, max_answer_bytes=4000)
        lost = asyncio.create_task(worker.run(job, limits=limits))
        await asyncio.sleep(0)
        behind = [asyncio.create_task(echo(worker, bytes([number]))) for number in range(3)]
        with pytest.raises(WorkerExited, match=words) as caught:
            await lost
        assert caught.value.cause is cause
        assert caught.value.started
        assert await asyncio.gather(*behind) == [b"\0", b"\1", b"\2"]
        assert worker.pid != pid
        await until_gone(pid)


@pytest.mark.parametrize("when", ["idle", "working"])
async def test_a_worker_that_stands_still_is_replaced(when: str, supervised: Supervised) -> None:
    async with supervised(timeouts=QUICK) as worker:
        await echo(worker)
        pid = worker.pid
        assert pid is not None
        job = None
        if when == "working":
            job = asyncio.create_task(worker.run({"do": "steps", "count": 100_000}))
            await asyncio.sleep(0.1)
        await freeze(pid)
        if job is None:
            assert await echo(worker, b"x") == b"x", "who asks a frozen worker is answered by the next"
        else:
            with pytest.raises(WorkerExited, match="did not respond for 3 s") as caught:
                await job
            assert caught.value.cause is Cause.UNRESPONSIVE
            assert await echo(worker, b"x") == b"x"
        await until_gone(pid)


@pytest.mark.parametrize("job", [None, {"do": "sleep", "for_s": 600}, {"do": "steps", "count": 100_000}])
async def test_a_ping_is_answered_whatever_is_in_work(job: dict[str, Any] | None, supervised: Supervised) -> None:
    async with supervised() as worker:
        await echo(worker)
        working = None if job is None else asyncio.create_task(worker.run(job))
        await asyncio.sleep(0.05)
        for _ in range(3):
            await worker.check(within_s=5)
        if working is not None:
            working.cancel()
            await asyncio.wait((working,))


async def test_a_ping_that_is_not_answered_ends_the_worker_although_nobody_waits(supervised: Supervised) -> None:
    async with supervised(timeouts=Timeouts(load_s=20, ping_s=1, retry_s=0.3)) as worker:
        await echo(worker)
        pid = worker.pid
        assert pid is not None
        await freeze(pid)
        with pytest.raises(Unavailable, match="does not respond") as caught:
            await worker.check(within_s=0.1)
        assert caught.value.code == "worker_hung"
        await until_gone(pid)
        await worker.check(within_s=20)


async def test_memory_has_a_bound_and_a_job_within_it_is_done(supervised: Supervised) -> None:
    async with supervised(memory_bytes=64 * 2**20) as worker:
        header, _ = await worker.run({"do": "fill", "mib": 32})
        assert header["taken_mib"] == 32
        for _ in range(2):
            with pytest.raises(SynthesisFailed, match="ran out of memory"):
                await worker.run({"do": "fill", "mib": 4000})
            assert await echo(worker, b"after") == b"after"


async def test_without_a_bound_there_is_none(supervised: Supervised) -> None:
    async with supervised() as worker:
        header, _ = await worker.run({"do": "fill", "mib": 200})
        assert header["taken_mib"] == 200


async def test_errors_come_as_they_were_raised_and_the_worker_goes_on(supervised: Supervised) -> None:
    async with supervised() as worker:
        await echo(worker)
        pid = worker.pid
        with pytest.raises(InvalidAudio) as audio:
            await worker.run({"do": "fail", "how": "audio"})
        assert (audio.value.field, audio.value.remedy) == ("voice_file", "Send another.")
        with pytest.raises(SynthesisFailed, match="It failed: planted"):
            await worker.run({"do": "fail", "how": "planted"})
        assert worker.pid == pid
        with pytest.raises(SynthesisFailed, match="ran out of memory"):
            await worker.run({"do": "fail", "how": "memory"})
        assert await echo(worker, b"after") == b"after"
        assert worker.pid != pid, "the hook says that it is good for no other job"


async def test_what_a_library_prints_is_no_frame_and_standard_input_is_empty(supervised: Supervised) -> None:
    async with supervised() as worker:
        header, _ = await worker.run({"do": "chatter"})
        assert header["read"] == ""


# Streams


async def test_pieces_come_in_order_and_the_answer_last(supervised: Supervised) -> None:
    async with supervised() as worker:
        headers = [header async for header, _ in worker.stream({"do": "count", "pieces": 20})]
        assert [header.get("piece") for header in headers] == [*range(20), None]
        assert headers[-1]["sent"] == 20


async def test_pieces_come_as_they_are_made(supervised: Supervised) -> None:
    async with (
        supervised() as worker,
        aclosing(worker.stream({"do": "count", "pieces": 1000, "pause_s": 0.1})) as pieces,
    ):
        header, payload = await anext(pieces)
        assert (header["piece"], bytes(payload)) == (0, b"\0")


async def test_a_slow_reader_holds_up_the_worker_and_not_the_memory(supervised: Supervised) -> None:
    """It waits at its pipe for as long as it must, which is no hang."""
    async with supervised(timeouts=QUICK) as worker:
        await echo(worker)
        before = psutil.Process().memory_info().rss
        job = {"do": "count", "pieces": 200, "size": 2**20}
        sizes = []
        async with aclosing(worker.stream(job)) as pieces:
            async for _, payload in pieces:
                sizes.append(payload.nbytes)
                if len(sizes) == 3:
                    await asyncio.sleep(4.5)
                    assert psutil.Process().memory_info().rss - before < 64 * 2**20
        assert sizes == [2**20] * 200 + [0]


async def test_what_came_before_a_crash_is_still_read(supervised: Supervised) -> None:
    async with supervised() as worker:
        async with aclosing(worker.stream({"do": "count", "pieces": 9, "crash_at": 4})) as pieces:
            assert [(await anext(pieces))[0]["piece"] for _ in range(5)] == [0, 1, 2, 3, 4]
            with pytest.raises(WorkerExited, match="SIGSEGV"):
                await anext(pieces)


async def test_a_worker_whose_caller_is_behind_is_well(supervised: Supervised) -> None:
    async with supervised() as worker:
        async with aclosing(worker.stream({"do": "count", "pieces": 50, "size": 2**20})) as pieces:
            for _ in range(2):
                await anext(pieces)
            for _ in range(3):
                await worker.check(within_s=2)
                await asyncio.sleep(0.3)
            assert len([piece async for piece in pieces]) == 49
        await worker.check(within_s=2)


async def test_a_ping_that_waits_is_answered_by_the_piece_that_makes_the_caller_late(supervised: Supervised) -> None:
    async with supervised() as worker:
        async with aclosing(worker.stream({"do": "count", "pieces": 50, "size": 2**20, "pause_s": 0.2})) as pieces:
            await anext(pieces)
            for _ in range(5):
                await worker.check(within_s=2)
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("how", ["crash", "fail"])
async def test_a_late_caller_gets_all_that_came_before_the_end_and_its_reason(how: str, supervised: Supervised) -> None:
    """Megabytes stand in the pipe when the process is no more, and its reason behind them."""
    async with supervised() as worker:
        await echo(worker)
        pid = worker.pid
        job = {"do": "last_words", "pieces": 4, "size": 2**19, "how": how}
        async with aclosing(worker.stream(job)) as pieces:
            await anext(pieces)
            assert pid is not None
            async with asyncio.timeout(10):
                while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(1.5)
            for number in range(1, 4):
                assert (await anext(pieces))[0]["piece"] == number
            kind, words = (WorkerExited, "SIGSEGV") if how == "crash" else (SynthesisFailed, "ran out of memory")
            with pytest.raises(kind, match=words):
                await anext(pieces)


async def test_what_cannot_be_sent_leaves_the_worker_as_it_was(supervised: Supervised) -> None:
    async with supervised(timeouts=QUICK) as worker:
        await echo(worker)
        pid = worker.pid
        for wrong in ("x" * 2**21, {1}, b"bytes", 1j):
            with pytest.raises((ValueError, TypeError)):
                await worker.run({"do": "echo", "text": wrong})
            assert not worker.busy
        await asyncio.sleep(3.5)
        assert await echo(worker, b"after") == b"after"
        assert worker.pid == pid


async def test_a_payload_that_does_not_fit_into_memory_fails_its_own_job(supervised: Supervised) -> None:
    async with supervised(memory_bytes=64 * 2**20) as worker:
        behind = []
        with pytest.raises(SynthesisFailed, match="ran out of memory"):
            await worker.run({"do": "echo"}, bytes(200 * 2**20))
        behind = [await echo(worker, b"after"), await echo(worker, b"more")]
        assert behind == [b"after", b"more"]


async def test_a_frame_that_the_worker_cannot_read_is_told_in_the_log(
    supervised: Supervised, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frame of a ping is replaced."""
    async with supervised() as worker:
        async with aclosing(worker.stream({"do": "count", "pieces": 10**6, "pause_s": 0.05})) as pieces:
            await anext(pieces)
            write = WorkerProcess.write
            no_frame = struct.pack("<II", 9, 0) + b"no header"
            with monkeypatch.context() as patched:
                patched.setattr(WorkerProcess, "write", lambda process, start, payload=b"": write(process, no_frame))
                with pytest.raises(Unavailable):
                    await worker.check(within_s=10)
            with pytest.raises(WorkerExited, match="exited with code 1"):
                async for _ in pieces:
                    pass
        assert "JSONDecodeError" in caplog.text


async def test_a_process_that_leaves_without_a_word_is_told_in_the_log(
    supervised: Supervised, caplog: pytest.LogCaptureFixture
) -> None:
    async with supervised() as worker:
        with pytest.raises(WorkerExited):
            await worker.run({"do": "leave", "code": 0})
        assert "exited with code 0" in caplog.text


async def test_a_child_sees_of_the_environment_what_its_spec_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "LC_SOMETHING", "LC"):
        monkeypatch.setenv(name, "seen")
    worker = Supervisor(replace(spec_of(), inherit=("PATH", "LC_*")), timeouts=PATIENT)
    try:
        await worker.start()
        assert worker.pid is not None
        seen = psutil.Process(worker.pid).environ()
        assert seen["LC_SOMETHING"] == "seen"
        assert seen["PYTHONPATH"] == str(TESTS)
        assert not {"SECRET_KEY", "LC"} & set(seen)
    finally:
        await worker.close()


async def test_leaving_a_stream_stops_it(supervised: Supervised) -> None:
    async with supervised() as worker:
        async with aclosing(worker.stream({"do": "count", "pieces": 10**6, "size": 100_000})) as pieces:
            await anext(pieces)
        header, _ = await worker.run({"do": "threads"})
        assert header["count"] == 2


# Cancelling


async def test_cancelling_returns_at_once_and_the_next_job_is_done(supervised: Supervised) -> None:
    async with supervised() as worker:
        await echo(worker)
        pid = worker.pid
        for delay_s in (0, 0.001, 0.02):
            job = asyncio.create_task(worker.run({"do": "steps", "count": 100_000}))
            await asyncio.sleep(delay_s)
            job.cancel()
            await asyncio.wait((job,))
            assert job.cancelled()
            assert await echo(worker, b"next") == b"next"
        header, _ = await worker.run({"do": "threads"})
        assert header["cancelled"] == 0
        assert worker.pid == pid


async def test_the_deadline_of_a_job_holds_although_its_caller_has_gone(supervised: Supervised) -> None:
    async with supervised() as worker:
        await echo(worker)
        pid = worker.pid
        job = asyncio.create_task(worker.run({"do": "deaf"}, limits=JobLimits(deadline_s=0.5)))
        await asyncio.sleep(0.2)
        job.cancel()
        assert await echo(worker, b"next") == b"next"
        await until_gone(pid)


# Its life


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("fail", ConfigurationError, "Something is missing."),
        ("crash", Unavailable, "was killed by SIGKILL"),
        ("hang", Unavailable, "did not respond for 1 s while loading and was stopped"),
    ],
)
async def test_what_cannot_be_loaded_is_said_and_tried_again_later(
    how: str, kind: type[ChatterboxError], words: str, supervised: Supervised
) -> None:
    load_s = 1 if how == "hang" else 20
    async with supervised(timeouts=Timeouts(load_s=load_s, retry_s=0.3), loading=how) as worker:
        for _ in range(2):
            with pytest.raises(kind, match=words):
                await worker.start()
            assert worker.load_failure is not None
            async with asyncio.timeout(5):
                while worker.load_failure is not None:
                    await asyncio.sleep(0.05)


async def test_a_worker_that_was_lost_is_back_before_it_is_asked_for() -> None:
    worker = Supervisor(spec_of(), timeouts=PATIENT, replace_at_once=True)
    try:
        await worker.start()
        await asyncio.sleep(1.1)
        pid = worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            while worker.pid in (pid, None) or not worker.usable:
                await asyncio.sleep(0.02)
    finally:
        await worker.close()


@pytest.mark.parametrize("doing", ["nothing", "steps", "sleep", "deaf", "count"])
def test_no_worker_outlives_its_parent(doing: str) -> None:
    """It is killed; nothing tells the worker but the end of its input."""
    script = f"""
import asyncio
from worker.conftest import spec_of
from chatterbox_api_worker.supervisor import Supervisor

async def main():
    worker = Supervisor(spec_of())
    await worker.start()
    if {doing!r} != "nothing":
        job = {{"do": {doing!r}, "count": 10**6, "for_s": 600, "pieces": 10**6, "size": 10**5}}
        asked = asyncio.create_task(worker.run(job))
        await asyncio.sleep(0.2)
    print(worker.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    until_s = time.monotonic() + 5
    while time.monotonic() < until_s and psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie":
        time.sleep(0.02)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_for_the_whole_service_are_left_to_the_parent(
    number: signal.Signals, supervised: Supervised
) -> None:
    async with supervised() as worker:
        await worker.start()
        job = asyncio.create_task(worker.run({"do": "steps", "count": 100}))
        await asyncio.sleep(0.05)
        assert worker.pid is not None
        os.kill(worker.pid, number)
        await job


async def test_a_handle_tells_in_which_state_its_worker_is() -> None:
    handle = await WorkerHandle.start(spec_of(), timeouts=PATIENT)

    def state() -> WorkerState:
        return handle.state

    try:
        assert state() is WorkerState.LOADING
        await handle.ready
        assert state() is WorkerState.IDLE
        async with aclosing(handle.stream({"do": "count", "pieces": 2, "pause_s": 0.01})) as pieces:
            await anext(pieces)
            assert state() is WorkerState.WORKING
            assert [header["event"] async for header, _ in pieces][-1] == "done"
        assert state() is WorkerState.IDLE
        closing = asyncio.create_task(handle.close("It is no longer needed."))
        await asyncio.sleep(0)
        assert state() is WorkerState.STOPPING
        with pytest.raises(WorkerExited, match="no longer needed"):
            await anext(handle.stream({"do": "echo"}))
        await closing
    finally:
        await handle.close("The test is over.")
    assert state() is WorkerState.EXITED
