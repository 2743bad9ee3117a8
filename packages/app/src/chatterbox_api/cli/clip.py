"""`chatterbox-api clip`: what a recording is worth, before it becomes a voice. No service and no library is needed."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

from chatterbox_api.cli.common import contents, env_file_option, piped_input, recordings, run_to_end, shown
from chatterbox_api.cli.output import FAILED, OK, echo, echo_json
from chatterbox_api.environment import read_environment
from chatterbox_api.logs import set_up_logging
from chatterbox_api_core.errors import ChatterboxError, InvalidAudio
from chatterbox_api_core.ports import ClipReader
from chatterbox_api_core.types import ClipLimits, ClipReport

__all__ = ["clip"]

_Finding: TypeAlias = tuple[str, ClipReport | ChatterboxError]
_LIMITS: Final = ClipLimits()


@click.command(short_help="Judge recordings before they become voices.")
@recordings
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@env_file_option
def clip(files: tuple[str, ...], as_json: bool, env_file: Path | None) -> None:
    """Read each FILE as a voice's recording would be read, and say what is good and bad about it; - is standard input.

    \b
    chatterbox-api clip me.wav
    arecord -f cd -d 10 | chatterbox-api clip -

    \b
    Exit code: 0 when all can be used, 2 when one cannot.
    """
    set_up_logging("warning")
    env = read_environment(env_file)
    piped = piped_input(files, max_bytes=_LIMITS.max_bytes)
    findings = run_to_end(_findings(env, files, piped))
    if as_json:
        echo_json([_as_json(*finding) for finding in findings])
    else:
        for name, found in findings:
            echo("\n".join(_lines(name, found)))
    if any(isinstance(found, ChatterboxError) for _, found in findings):
        raise click.exceptions.Exit(2)


async def _findings(env: dict[str, str], files: tuple[str, ...], piped: bytes) -> list[_Finding]:
    from chatterbox_api.choosing import chosen
    from chatterbox_api_core.plugins import CLIP_READERS, load

    async with load(CLIP_READERS, chosen(CLIP_READERS, env)[0]).open(env) as reader:
        return [(name, await _read(reader, name, piped)) for name in files]


async def _read(reader: ClipReader, name: str, piped: bytes) -> ClipReport | ChatterboxError:
    try:
        data = await asyncio.to_thread(contents, name, piped=piped, max_bytes=_LIMITS.max_bytes)
        return (await reader.read(data, limits=_LIMITS)).report
    except InvalidAudio as error:
        return error


def _lines(name: str, found: ClipReport | ChatterboxError) -> list[str]:
    if isinstance(found, ChatterboxError):
        return [f"{FAILED} {shown(name)}: {found}"]
    channels = f"{found.channels} channel{'s' * (found.channels != 1)}"
    measures = [
        f"{words} {value:{form}}"
        for words, value, form in (
            ("speech", found.level_dbfs, ".0f"),
            ("peak", found.peak_dbfs, ".1f"),
            ("background", found.noise_dbfs, ".0f"),
        )
        if value is not None
    ]
    facts = f"{found.duration_s:.1f} s, {found.sample_rate_hz:,} Hz, {channels}, {found.media_type}"
    levels = f"; {', '.join(measures)} dBFS" if measures else ""
    return [f"{OK} {shown(name)}: {facts}{levels}", *(f"  {line}" for line in found.advice)]


def _as_json(name: str, found: ClipReport | ChatterboxError) -> dict[str, Any]:
    if isinstance(found, ChatterboxError):
        error = {"code": found.code, "message": found.message, "remedy": found.remedy}
        return {"file": name, "usable": False, "error": error}
    return {"file": name, "usable": True, "report": asdict(found)}
