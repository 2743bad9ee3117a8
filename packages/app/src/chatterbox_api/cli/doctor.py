"""`chatterbox-api doctor`: checks an installation."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatterbox_api import settings
from chatterbox_api.cli.common import env_file_option, run_to_end
from chatterbox_api.cli.output import FAILED, OK, echo
from chatterbox_api.environment import check_all, read_environment
from chatterbox_api.logs import set_up_logging
from chatterbox_api_core.errors import ChatterboxError

if TYPE_CHECKING:
    from chatterbox_api.compose import Service
    from chatterbox_api_core.speech import SpeechService

__all__ = ["doctor"]

_SENTENCE = "This is a test of the speech service."


@click.command(short_help="Check this installation and say what to change.")
@env_file_option
def doctor(env_file: Path | None) -> None:
    """Check this installation: settings, port, adapters, and a sentence in every format.

    Exits with 1 when something is wrong.
    """
    set_up_logging("warning")
    if not run_to_end(_Checkup().run(env_file)):
        sys.exit(1)


class _Checkup:
    """The checks, each of which prints a line."""

    def __init__(self) -> None:
        self._passed = True

    async def run(self, env_file: Path | None) -> bool:
        self._good("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
        try:
            env = read_environment(env_file)
            check_all(env)
        except ChatterboxError as error:
            self._bad("Settings", error)
            return False
        self._good("Settings", "all valid")
        self._check_port(env)
        await self._check_speech(env)
        return self._passed

    def _check_port(self, env: Mapping[str, str]) -> None:
        from chatterbox_api.server import hold_port

        host, port = settings.HOST.read(env), settings.PORT.read(env)
        try:
            with hold_port(host, port):
                self._good("Port", f"{host}:{port} is free")
        except ChatterboxError as error:
            self._bad("Port", error)

    async def _check_speech(self, env: Mapping[str, str]) -> None:
        from chatterbox_api.compose import compose

        try:
            async with compose(env) as service:
                await self._check_voices(service)
                self._good("Engine", service.speech.engine)
                for offered in service.speech.formats:
                    await self._check_format(service.speech, offered.name)
        except ChatterboxError as error:
            is_of_store = error.code.startswith("storage_") or (error.field or "").startswith("R2_")
            self._bad("Voices" if is_of_store else "Speech", error)

    async def _check_format(self, speech: SpeechService, name: str) -> None:
        from chatterbox_api_core import SpeechRequest

        async with speech.stream(SpeechRequest(_SENTENCE, audio_format=name, streaming=False)) as stream:
            size = len(await stream.read())
        seconds = f"{stream.timings.audio_s:.1f} s of speech in {stream.timings.finished_s:.2f} s"
        self._good(name, f"{seconds}, {size:,} bytes")

    async def _check_voices(self, service: Service) -> None:
        try:
            await service.voices.ready()
            await service.voices.page(limit=1)
            self._good("Voices", f"kept in {service.store_name}")
        except ChatterboxError as error:
            self._bad("Voices", error)

    def _good(self, what: str, found: str) -> None:
        echo(f"{click.style(OK, fg='green')} {what:9} {found}")

    def _bad(self, what: str, error: ChatterboxError) -> None:
        self._passed = False
        echo(f"{click.style(FAILED, fg='red')} {what:9} {error}")
