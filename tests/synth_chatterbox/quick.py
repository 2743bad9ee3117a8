"""The model's process with quick jobs, and questions to it; see `quick_site`."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path
from typing import Any

import psutil

from chatterbox_api_synth_chatterbox.supervisor import ModelSupervisor
from chatterbox_api_worker.spec import Timeouts

LONG = "x" * 40_000
"""40 s of steps, and more."""
PATIENT = Timeouts(load_s=20, stall_s=20, retry_s=0.3)


class Process(ModelSupervisor):
    def __init__(self, folder: Path, environment: dict[str, str], timeouts: Timeouts = PATIENT) -> None:
        config = {"role": "speech", "model": "original", "folder": str(folder), "device": "cpu"}
        super().__init__(config, title="Quick", timeouts=timeouts, environment=environment)
        self.folder = folder

    async def __aenter__(self) -> Process:
        return self

    async def __aexit__(self, *_: object) -> None:
        began_s = time.monotonic()
        await self.close()
        assert time.monotonic() - began_s < 5
        assert others() == set()
        assert self.pid is None

    async def say(self, text: str, **head: Any) -> tuple[float, ...]:
        spoken = {"do": "speak", "text": text, "seed": 1, "language": "en", "params": {}} | head
        _, data = await self.run(spoken, b"")
        return struct.unpack(f"{len(data) // 4}f", data)

    def jobs(self) -> list[str]:
        """What has begun."""
        path = self.folder / "jobs"
        return path.read_text().splitlines() if path.exists() else []

    async def until_begun(self, text: str) -> None:
        async with asyncio.timeout(20):
            while text not in self.jobs():
                await asyncio.sleep(0.01)

    def begin(self, text: str) -> asyncio.Task[tuple[float, ...]]:
        return asyncio.create_task(self.say(text))


def others() -> set[str]:
    """The tasks beside this one."""
    return {repr(task) for task in asyncio.all_tasks() - {asyncio.current_task()}}


def is_there(pid: int, *, zombies: bool = True) -> bool:
    """Whether there is such a process."""
    try:
        return zombies or psutil.Process(pid).status() != psutil.STATUS_ZOMBIE if psutil.pid_exists(pid) else False
    except psutil.NoSuchProcess:
        return False


async def until_gone(pid: int, limit_s: float = 5) -> None:
    async with asyncio.timeout(limit_s):
        while is_there(pid):
            await asyncio.sleep(0.02)
