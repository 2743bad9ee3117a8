"""The commands of `chatterbox-api voices` that only read: list, show, verify, export."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypedDict

import click

from chatterbox_api.cli.library_command import json_option, label, library_command, read_all
from chatterbox_api.cli.output import FAILED, echo, echo_json, wrapped
from chatterbox_api.cli.progress import progress_bar
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices import VoiceLibrary

__all__ = ["COMMANDS", "VoiceRecord"]


class VoiceRecord(TypedDict):
    """A voice as `--json` prints it. Dates are ISO 8601; `sha256` is the clip's."""

    id: str
    name: str
    aliases: list[str]
    default: bool
    language: str | None
    duration_s: float
    size_bytes: int
    media_type: str
    filename: str
    sha256: str
    created_at: str
    updated_at: str
    revision: int
    consent: str | None


@library_command("list")
@json_option
async def list_voices(library: VoiceLibrary, as_json: bool) -> None:
    """List the voices."""
    found = await read_all(library)
    default = await library.default()
    if as_json:
        echo_json([_record(voice, default) for voice in found])
        return
    if not found:
        echo('No voices yet. Add one: chatterbox-api voices add "Anna" recording.wav')
        return
    for voice in found:
        echo(_list_entry(voice, is_default=default is not None and voice.id == default.id))


@library_command("show")
@click.argument("voice")
@json_option
async def show(library: VoiceLibrary, voice: str, as_json: bool) -> None:
    """Show everything about a voice."""
    record = _record(await library.get(voice), await library.default())
    if as_json:
        echo_json(record)
        return
    for key, value in record.items():
        echo(f"{key:12} {', '.join(value) if isinstance(value, list) else value if value is not None else ''}")


@library_command("verify")
@click.argument("names", nargs=-1, metavar="[VOICE]...")
@json_option
async def verify(library: VoiceLibrary, names: tuple[str, ...], as_json: bool) -> None:
    """Read every stored recording and say which are damaged."""
    found = [await library.get(name) for name in names] or await read_all(library)
    problems = []
    with progress_bar("Verifying", len(found)) as advance:
        for voice in found:
            if problem := await library.verify(voice):
                problems.append((voice, problem))
            advance()
    if as_json:
        records = [{"id": voice.id, "name": voice.name, "problem": error.code} for voice, error in problems]
        echo_json({"checked": len(found), "problems": records})
    else:
        for voice, error in problems:
            echo(f"{FAILED} {label(voice)}: {error}")
        echo(f"{len(found)} checked, {len(problems)} damaged.")
    if problems:
        raise click.exceptions.Exit(1)


@library_command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("names", nargs=-1, metavar="[VOICE]...")
async def export(library: VoiceLibrary, file: Path, names: tuple[str, ...]) -> None:
    """Write voices into one file: all, or those named."""
    from chatterbox_api.archive import write_archive

    named = {(voice := await library.get(name)).id: voice for name in names}
    found = list(named.values()) or await read_all(library)
    if not file.parent.is_dir():
        raise click.UsageError(f"There is no folder {click.format_filename(file.parent)}.")
    left_out = await write_archive(library, found, file)
    for voice, error in left_out:
        echo(f"left out: {label(voice)}: {error}", err=True)
    count = len(found) - len(left_out)
    echo(f"Exported {count} voice{'s' * (count != 1)} to {click.format_filename(file)}.")
    if left_out:
        raise click.exceptions.Exit(1)


COMMANDS: Final = (list_voices, show, verify, export)
"""In the order of the help."""


def _list_entry(voice: Voice, *, is_default: bool) -> str:
    """A voice on two lines, three where it has aliases; the id is never broken."""
    facts = (voice.id, voice.language, f"{voice.duration_s:.1f} s", f"added {voice.created_at:%Y-%m-%d}")
    lines = [
        f"{voice.name} (default)" if is_default else voice.name,
        wrapped(", ".join(fact for fact in facts if fact), indent=2),
    ]
    if voice.aliases:
        lines.append(wrapped(f"also called {', '.join(voice.aliases)}", indent=2))
    return "\n".join(lines)


def _record(voice: Voice, default: Voice | None) -> VoiceRecord:
    return {
        "id": voice.id,
        "name": voice.name,
        "aliases": list(voice.aliases),
        "default": default is not None and voice.id == default.id,
        "language": voice.language,
        "duration_s": round(voice.duration_s, 3),
        "size_bytes": voice.size_bytes,
        "media_type": voice.media_type,
        "filename": voice.filename,
        "sha256": voice.sha256,
        "created_at": voice.created_at.isoformat(),
        "updated_at": voice.updated_at.isoformat(),
        "revision": voice.revision,
        "consent": voice.consent,
    }
