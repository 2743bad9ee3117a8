"""What commands share."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["ENDING_SIGNALS", "env_file_option", "run_to_end"]

T = TypeVar("T")

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

env_file_option = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read settings from this file instead of .env.",
)


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A signal that ends the command cancels it, as Ctrl-C does, so that it cleans up first."""
    received: list[int] = []

    async def attended() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 — asyncio.run made it

        def end(number: int) -> None:
            received.append(number)
            task.cancel()

        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, end, number)
        return await work

    try:
        return asyncio.run(attended())
    except asyncio.CancelledError:
        sys.exit(128 + received[0] if received else 1)
