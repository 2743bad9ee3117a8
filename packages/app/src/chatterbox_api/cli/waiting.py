"""Waits for what is loaded at its first use, a large library or a large model: a command has the time for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from chatterbox_api.cli.output import echo
from chatterbox_api_core.errors import Unavailable

__all__ = ["LOADING_CODES", "retry_while_loading"]

T = TypeVar("T")

LOADING_CODES: Final = ("storage_loading", "engine_loading")
"""The codes of Unavailable while a component is loading; a service answers its clients with them."""


async def retry_while_loading(work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`, which is called again while a component is loading. Raises what `work` raises."""
    while True:
        try:
            return await work()
        except Unavailable as error:
            if error.code not in LOADING_CODES:
                raise
            echo(error.message, err=True)
            await asyncio.sleep(error.retry_after_s)
