"""`chatterbox-api watermark`: whether recordings carry a watermark, without a service or a library."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeAlias

import click

from chatterbox_api.cli.common import Environment, display_name, piped_input, read_file, recordings, with_settings
from chatterbox_api.cli.output import FAILED, OK, echo, echo_json
from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import ClipLimits, WatermarkFinding

__all__ = ["watermark"]

_Finding: TypeAlias = tuple[str, WatermarkFinding | InvalidAudio]
_MAX_BYTES: Final = ClipLimits().max_bytes
_UNREADABLE: Final = 2
_UNMARKED: Final = 6


@click.command(short_help="Say whether recordings carry the watermark of Chatterbox.")
@recordings
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@with_settings(check=False)
def watermark(env: Environment, files: tuple[str, ...], as_json: bool) -> Coroutine[Any, Any, None]:
    """Say of each FILE whether it carries a watermark, as all speech of Chatterbox does; - is standard input.

    The first 60 s of a FILE are judged, as a whole: cut out a passage to ask about it. At least 1 s is needed.

    \b
    chatterbox-api watermark suspicious.mp3
    chatterbox-api watermark --json *.wav

    \b
    Exit code: 0 when all carry it, 6 when one does not, 2 when one cannot be read,
    3 when no detector is installed.
    """
    return _watermark(env, files, piped_input(files, max_bytes=_MAX_BYTES), as_json=as_json)


async def _watermark(env: Environment, files: tuple[str, ...], piped: bytes, *, as_json: bool) -> None:
    findings = await _findings(env, files, piped)
    if as_json:
        echo_json([_as_json(*finding) for finding in findings])
    else:
        for name, found in findings:
            echo(_line(name, found))
    if any(isinstance(found, InvalidAudio) for _, found in findings):
        raise click.exceptions.Exit(_UNREADABLE)
    if not all(isinstance(found, WatermarkFinding) and found.marked for _, found in findings):
        raise click.exceptions.Exit(_UNMARKED)


async def _findings(env: Environment, files: tuple[str, ...], piped: bytes) -> list[_Finding]:
    from chatterbox_api.compose import compose_watermarks

    findings: list[_Finding] = []
    async with compose_watermarks(env) as watermarks:
        for name in files:
            data = await asyncio.to_thread(read_file, name, piped=piped, max_bytes=_MAX_BYTES)
            try:
                findings.append((name, await watermarks.check(data)))
            except InvalidAudio as error:
                findings.append((name, error))
    return findings


def _line(name: str, found: WatermarkFinding | InvalidAudio) -> str:
    if isinstance(found, InvalidAudio):
        return f"{FAILED} {display_name(name)}: {found}"
    sign, word = (OK, "a") if found.marked else ("–", "no")
    measures = f"confidence {found.confidence:.2f}, {found.duration_s:.1f} s judged"
    return f"{sign} {display_name(name)}: {word} watermark; {measures}"


def _as_json(name: str, found: WatermarkFinding | InvalidAudio) -> dict[str, Any]:
    if isinstance(found, InvalidAudio):
        return {"file": name, "error": {"code": found.code, "message": found.message, "remedy": found.remedy}}
    return {
        "file": name,
        "watermarked": found.marked,
        "confidence": round(found.confidence, 4),
        "duration_s": round(found.duration_s, 3),
    }
