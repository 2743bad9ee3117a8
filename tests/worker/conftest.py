"""A real worker with jobs for tests; see `jobs`. After a test nothing of it is left."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest

from chatterbox_api_worker.pool import WorkerPool
from chatterbox_api_worker.spec import Timeouts, WorkerSpec
from chatterbox_api_worker.supervisor import Supervisor

TESTS = Path(__file__).parents[1]
PATIENT = Timeouts(load_s=20, stall_s=20, ping_s=10, cancel_s=2, retry_s=0.3)

Supervised: TypeAlias = Callable[..., AbstractAsyncContextManager[Supervisor]]


@pytest.fixture(autouse=True)
def nothing_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No process, no unclosed pipe, no task whose error nobody saw."""
    caplog.set_level(logging.INFO)
    before = {child.pid for child in psutil.Process().children()}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect(1)
    assert {child.pid for child in psutil.Process().children()} <= before
    assert [str(each.message) for each in seen if issubclass(each.category, ResourceWarning)] == []
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


def spec_of(**config: Any) -> WorkerSpec:
    memory_bytes = config.pop("memory_bytes", 0)
    return WorkerSpec(
        module="worker.jobs",
        name="test process",
        title="Test",
        config=config,
        environment={"PYTHONPATH": str(TESTS), "TEST_MEMORY_BYTES": str(memory_bytes), "MALLOC_ARENA_MAX": "1"},
    )


async def freeze(pid: int) -> None:
    """Stop a process; the signal takes effect only when each of its threads has had a turn."""
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.timeout(10):
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.01)


@pytest.fixture
def supervised() -> Supervised:
    @asynccontextmanager
    async def opened(*, timeouts: Timeouts = PATIENT, **config: Any) -> AsyncGenerator[Supervisor, None]:
        supervisor = Supervisor(spec_of(**config), timeouts=timeouts)
        try:
            yield supervisor
        finally:
            await supervisor.close()
            assert supervisor.pid is None
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return opened


@pytest.fixture
def pooled() -> Callable[..., AbstractAsyncContextManager[WorkerPool]]:
    @asynccontextmanager
    async def opened(
        size: int, *, timeouts: Timeouts = PATIENT, max_waiting: int = 64, max_wait_s: float = 60.0, **config: Any
    ) -> AsyncGenerator[WorkerPool, None]:
        async with WorkerPool.open(
            spec_of(**config), size=size, timeouts=timeouts, max_waiting=max_waiting, max_wait_s=max_wait_s
        ) as pool:
            yield pool
        assert pool.pids == ()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    return opened
