"""`chatterbox-api clip`: what a recording is worth, before it becomes a voice. No service and no library is needed."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

from chatterbox_api.cli.common import env_file_option, run_to_end
from chatterbox_api.environment import read_environment
from chatterbox_api.logs import set_up_logging
from chatterbox_api_core.errors import ChatterboxError, InvalidAudio
from chatterbox_api_core.model import ClipLimits, ClipReport
from chatterbox_api_core.ports import ClipReader

__all__ = ["clip"]

_Finding: TypeAlias = tuple[str, ClipReport | ChatterboxError]
_LIMITS: Final = ClipLimits()
_READ_BYTES: Final = _LIMITS.max_bytes + 1
"""One more than allowed: that tells too much from just enough, however much there is."""


@click.command(short_help="Judge recordings before they become voices.")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False, allow_dash=True, exists=True)
)
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
    if files.count("-") > 1:
        raise click.UsageError("Standard input can be read once.")
    env = read_environment(env_file)
    # Read before the loop runs: a signal ends the wait for a pipe, and would not end a thread's.
    piped = sys.stdin.buffer.read(_READ_BYTES) if "-" in files else b""
    findings = run_to_end(_findings(env, files, piped))
    if as_json:
        click.echo(json.dumps([_as_json(*finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for name, found in findings:
            click.echo("\n".join(_lines(name, found)))
    if any(isinstance(found, ChatterboxError) for _, found in findings):
        raise click.exceptions.Exit(2)


async def _findings(env: dict[str, str], files: tuple[str, ...], piped: bytes) -> list[_Finding]:
    from chatterbox_api.compose import chosen
    from chatterbox_api_core.plugins import CLIP_READERS, load

    async with load(CLIP_READERS, chosen(CLIP_READERS, env)[0]).open(env) as reader:
        return [(name, await asyncio.to_thread(_read, reader, name, piped)) for name in files]


def _read(reader: ClipReader, name: str, piped: bytes) -> ClipReport | ChatterboxError:
    try:
        if name == "-":
            return reader.read(piped, limits=_LIMITS).report
        with Path(name).open("rb") as file:
            return reader.read(file.read(_READ_BYTES), limits=_LIMITS).report
    except InvalidAudio as error:
        return error


def _lines(name: str, found: ClipReport | ChatterboxError) -> list[str]:
    shown = "standard input" if name == "-" else click.format_filename(name)
    if isinstance(found, ChatterboxError):
        return [f"✗ {shown}: {found}"]
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
    facts = f"{found.duration_s:.1f} s, {found.rate_hz:,} Hz, {channels}, {found.media_type}"
    levels = f"; {', '.join(measures)} dBFS" if measures else ""
    return [f"✓ {shown}: {facts}{levels}", *(f"  {line}" for line in found.advice)]


def _as_json(name: str, found: ClipReport | ChatterboxError) -> dict[str, Any]:
    if isinstance(found, ChatterboxError):
        error = {"code": found.code, "message": found.message, "remedy": found.remedy}
        return {"file": name, "usable": False, "error": error}
    return {"file": name, "usable": True, "report": asdict(found)}
