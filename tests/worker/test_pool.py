"""A pool: each worker for one caller at a time, a bounded queue before them, losses replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from worker.conftest import PATIENT, freeze

from chatterbox_api_core.errors import ConfigurationError, DeadlineExceeded, Overloaded, Unavailable
from chatterbox_api_worker.pool import WorkerPool
from chatterbox_api_worker.spec import JobLimits, Timeouts, WorkerExited

Pooled = Callable[..., AbstractAsyncContextManager[WorkerPool]]


async def test_jobs_run_at_once_on_workers_of_their_own(pooled: Pooled) -> None:
    async with pooled(3) as pool:
        assert len(pool.pids) == 3
        async with pool.lease() as one, pool.lease() as other, pool.lease() as third:
            assert {one.pid, other.pid, third.pid} == set(pool.pids)
        answers = await asyncio.gather(*(pool.run({"do": "echo"}, bytes([number])) for number in range(50)))
        assert [bytes(payload) for _, payload in answers] == [bytes([number]) for number in range(50)]


async def test_a_crash_fails_one_job_and_the_others_are_done(pooled: Pooled) -> None:
    async with pooled(2) as pool:
        jobs = [{"do": "crash"} if number % 5 == 2 else {"do": "echo", "text": str(number)} for number in range(20)]
        done = await asyncio.gather(*(pool.run(job) for job in jobs), return_exceptions=True)
        for job, answer in zip(jobs, done, strict=True):
            if job["do"] == "crash":
                assert isinstance(answer, WorkerExited)
            else:
                assert not isinstance(answer, BaseException)
                assert answer[0]["said"] == job["text"]


async def test_the_queue_has_a_bound_and_an_end(pooled: Pooled) -> None:
    async with pooled(1, max_waiting=2, max_wait_s=0.3) as pool, pool.lease():
        waiting = [asyncio.create_task(pool.run({"do": "echo"})) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await pool.run({"do": "echo"})
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in done] == [DeadlineExceeded] * 2


async def test_who_gives_up_waiting_takes_no_worker_along(pooled: Pooled) -> None:
    async with pooled(1) as pool:
        async with pool.lease():
            waiting = [asyncio.create_task(pool.run({"do": "echo"})) for _ in range(5)]
            await asyncio.sleep(0)
            for task in waiting[::2]:
                task.cancel()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(each, BaseException) for each in done] == [True, False, True, False, True]
        await pool.run({"do": "echo"})


@pytest.mark.parametrize("job", [{"do": "steps", "count": 10**6}, {"do": "sleep", "for_s": 600}, {"do": "deaf"}])
async def test_what_is_left_undone_is_stopped_before_the_next(job: dict[str, Any], pooled: Pooled) -> None:
    """A job that hears that it is cancelled keeps its worker; a deaf one loses it."""
    cancel_s = 2 if job["do"] == "steps" else 0.3
    async with pooled(1, timeouts=Timeouts(load_s=20, stall_s=20, ping_s=20, cancel_s=cancel_s)) as pool:
        (pid,) = pool.pids
        for _ in range(2):
            task = asyncio.create_task(pool.run(job))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait((task,))
            header, _ = await pool.run({"do": "echo"}, limits=JobLimits(deadline_s=20))
            assert (header["pid"] == pid) == (job["do"] == "steps")


async def test_one_that_responds_is_enough_and_those_that_do_not_are_replaced(pooled: Pooled) -> None:
    async with pooled(2, timeouts=Timeouts(load_s=20, ping_s=1)) as pool:
        before = set(pool.pids)
        await asyncio.sleep(1.1)
        frozen = pool.pids[0]
        await freeze(frozen)
        await pool.check()
        async with asyncio.timeout(20):
            while frozen in pool.pids or len(pool.pids) < 2:
                await asyncio.sleep(0.05)
        assert len(before & set(pool.pids)) == 1


async def test_a_pool_of_which_none_responds_says_so_until_they_are_replaced(pooled: Pooled) -> None:
    async with pooled(2, timeouts=Timeouts(load_s=20, ping_s=3)) as pool:
        for pid in pool.pids:
            await freeze(pid)
        with pytest.raises(Unavailable, match="No test process responds") as caught:
            await pool.check()
        assert caught.value.code == "worker_unavailable"
        async with asyncio.timeout(20):
            while True:
                try:
                    await pool.check()
                    break
                except Unavailable:
                    pass
        await pool.run({"do": "echo"})


async def test_a_pool_that_cannot_start_says_why(pooled: Pooled) -> None:
    with pytest.raises(ConfigurationError, match="Something is missing"):
        async with pooled(3, timeouts=PATIENT, loading="fail"):
            pass
