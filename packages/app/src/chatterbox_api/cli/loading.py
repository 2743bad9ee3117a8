"""Waiting for a store that reads a large library for the first time, which a command has the time for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from chatterbox_api_core.errors import Unavailable

__all__ = ["when_loaded"]

T = TypeVar("T")
_LOADING: Final = "storage_loading"
"""The code of what a store raises while that goes on; a service sends its clients away with it."""


async def when_loaded(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` returns, once the store has read its library. Raises what `read` raises."""
    while True:
        try:
            return await read()
        except Unavailable as error:
            if error.code != _LOADING:
                raise
            click.echo(error.message, err=True)
            await asyncio.sleep(error.retry_after_s)
