"""Waiting for what takes long the first time, a large library or a large model: a command has the time for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from chatterbox_api.cli.output import echo
from chatterbox_api_core.errors import Unavailable

__all__ = ["LOADING", "when_loaded"]

T = TypeVar("T")
LOADING: Final = ("storage_loading", "engine_loading")
"""The codes of what is raised while that goes on; a service sends its clients away with them."""


async def when_loaded(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` returns, once what it needs has been loaded. Raises what `read` raises."""
    while True:
        try:
            return await read()
        except Unavailable as error:
            if error.code not in LOADING:
                raise
            echo(error.message, err=True)
            await asyncio.sleep(error.retry_after_s)
