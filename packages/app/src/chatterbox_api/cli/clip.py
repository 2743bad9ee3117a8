"""`chatterbox-api clip`: judges recordings before they become voices, without a service or a library."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import asdict
from typing import Any, Final, TypeAlias

import click

from chatterbox_api.cli.common import Environment, display_name, piped_input, read_file, recordings, with_settings
from chatterbox_api.cli.output import FAILED, OK, echo, echo_json
from chatterbox_api_core.errors import ChatterboxError, InvalidAudio
from chatterbox_api_core.ports import ClipReader
from chatterbox_api_core.types import ClipLimits, ClipReport

__all__ = ["clip"]

_Finding: TypeAlias = tuple[str, ClipReport | ChatterboxError]
_LIMITS: Final = ClipLimits()


@click.command(short_help="Judge recordings before they become voices.")
@recordings
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@with_settings(check=False)
def clip(env: Environment, files: tuple[str, ...], as_json: bool) -> Coroutine[Any, Any, None]:
    """Read each FILE as a voice's recording would be read, and say what is good and bad about it; - is standard input.

    \b
    chatterbox-api clip me.wav
    arecord -f cd -d 10 | chatterbox-api clip -

    \b
    Exit code: 0 when all can be used, 2 when one cannot.
    """
    return _clip(env, files, piped_input(files, max_bytes=_LIMITS.max_bytes), as_json=as_json)


async def _clip(env: Environment, files: tuple[str, ...], piped: bytes, *, as_json: bool) -> None:
    findings = await _findings(env, files, piped)
    if as_json:
        echo_json([_as_json(*finding) for finding in findings])
    else:
        for name, found in findings:
            echo("\n".join(_lines(name, found)))
    if any(isinstance(found, ChatterboxError) for _, found in findings):
        raise click.exceptions.Exit(2)


async def _findings(env: Environment, files: tuple[str, ...], piped: bytes) -> list[_Finding]:
    from chatterbox_api.adapter_selection import select_adapters
    from chatterbox_api_core.plugins import CLIP_READERS, load

    async with load(CLIP_READERS, select_adapters(CLIP_READERS, env)[0]).open(env) as reader:
        return [(name, await _read(reader, name, piped)) for name in files]


async def _read(reader: ClipReader, name: str, piped: bytes) -> ClipReport | ChatterboxError:
    try:
        data = await asyncio.to_thread(read_file, name, piped=piped, max_bytes=_LIMITS.max_bytes)
        return (await reader.read(data, limits=_LIMITS)).report
    except InvalidAudio as error:
        return error


def _lines(name: str, found: ClipReport | ChatterboxError) -> list[str]:
    if isinstance(found, ChatterboxError):
        return [f"{FAILED} {display_name(name)}: {found}"]
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
    return [f"{OK} {display_name(name)}: {facts}{levels}", *(f"  {line}" for line in found.advice)]


def _as_json(name: str, found: ClipReport | ChatterboxError) -> dict[str, Any]:
    if isinstance(found, ChatterboxError):
        error = {"code": found.code, "message": found.message, "remedy": found.remedy}
        return {"file": name, "usable": False, "error": error}
    report = asdict(found)
    del report["sample_rate_hz"]
    return {"file": name, "usable": True, "report": {**report, "rate_hz": found.sample_rate_hz}}
