"""Commands over the voice library, and what they print of a voice."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec

import click

from chatterbox_api.cli.common import Environment, with_settings
from chatterbox_api.cli.waiting import retry_while_loading
from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices import VoiceLibrary

__all__ = ["json_option", "label", "library_command", "read_all"]

P = ParamSpec("P")

json_option = click.option("--json", "as_json", is_flag=True, help="For scripts.")
"""The option for output that programs read."""


def library_command(
    name: str,
) -> Callable[[Callable[Concatenate[VoiceLibrary, P], Awaitable[None]]], click.Command]:
    """Make a command of a coroutine function whose first argument is the open library; its docstring is the help."""

    def wrap(work: Callable[Concatenate[VoiceLibrary, P], Awaitable[None]]) -> click.Command:
        @functools.wraps(work)
        async def run(env: Environment, *args: Any, **options: Any) -> None:
            await _with_library(env, functools.partial(work, *args, **options))

        command: click.Command = click.command(name)(with_settings()(run))
        return command

    return wrap


async def read_all(library: VoiceLibrary) -> list[Voice]:
    """Every voice, once the library has been loaded."""

    async def read() -> list[Voice]:
        return [voice async for voice in library.all()]

    return await retry_while_loading(read)


def label(voice: Voice) -> str:
    """The name and the id of a voice, for messages."""
    return f"{voice.name!r} ({voice.id})"


async def _with_library(env: Environment, work: Callable[[VoiceLibrary], Awaitable[None]]) -> None:
    from chatterbox_api.compose import compose_library

    async with compose_library(env, clip_reader_on_demand=True) as library:
        if library.store_name == "memory":
            raise ConfigurationError(
                "Voices are kept in the memory of the service, which a command cannot reach.",
                field="VOICE_STORE",
                remedy="Choose a store that lasts.",
            )
        await work(library.voices)
