"""The commands of `chatterbox-api voices` that change the library."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

import click

from chatterbox_api.cli.library_command import label, library_command
from chatterbox_api.cli.output import echo
from chatterbox_api_core.types import ClipReport
from chatterbox_api_core.voices import VoiceLibrary

__all__ = ["COMMANDS"]

_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


@library_command("add")
@click.argument("name")
@click.argument("file", type=_FILE)
@click.option("--alias", "aliases", multiple=True, help="Another name; may be given several times.")
@click.option("--language", help="A tag such as en or pt-BR.")
@click.option("--consent", help="What the speaker agreed to, or where that is written.")
async def add(
    library: VoiceLibrary, name: str, file: Path, aliases: tuple[str, ...], language: str | None, consent: str | None
) -> None:
    """Add a voice from a recording."""
    voice, report = await library.create(
        name,
        await asyncio.to_thread(file.read_bytes),
        filename=click.format_filename(file.name),
        aliases=aliases,
        language=language,
        consent=consent,
    )
    echo(f"Added {label(voice)}: {_summary(report)}")


@library_command("replace")
@click.argument("voice")
@click.argument("file", type=_FILE)
async def replace(library: VoiceLibrary, voice: str, file: Path) -> None:
    """Give a voice another recording."""
    replaced, report = await library.replace(
        voice, await asyncio.to_thread(file.read_bytes), filename=click.format_filename(file.name)
    )
    echo(f"Replaced the recording of {label(replaced)}: {_summary(report)}")


@library_command("rename")
@click.argument("voice")
@click.argument("new_name")
async def rename(library: VoiceLibrary, voice: str, new_name: str) -> None:
    """Give a voice another name."""
    echo(f"Renamed to {label(await library.rename(voice, new_name))}.")


@library_command("alias")
@click.argument("voice")
@click.argument("alias")
@click.option("--remove", is_flag=True, help="Free the alias.")
async def alias(library: VoiceLibrary, voice: str, alias: str, remove: bool) -> None:
    """Give a voice another name beside its own, or remove one."""
    changed = await (library.remove_alias(voice, alias) if remove else library.add_alias(voice, alias))
    echo(f"{label(changed)} answers to: {', '.join((changed.name, *changed.aliases))}")


@library_command("default")
@click.argument("voice", required=False)
@click.option("--clear", is_flag=True, help="Have no default voice.")
async def default(library: VoiceLibrary, voice: str | None, clear: bool) -> None:
    """Show or choose the voice that speaks where a request names none."""
    if clear and voice is not None:
        raise click.UsageError("VOICE and --clear exclude each other.")
    found = await (library.set_default(voice) if clear or voice is not None else library.default())
    echo(f"The default voice is {label(found)}." if found else "There is no default voice.")


@library_command("remove")
@click.argument("voice")
@click.option("--yes", is_flag=True, help="Do not ask.")
async def remove(library: VoiceLibrary, voice: str, yes: bool) -> None:
    """Remove a voice."""
    found = await library.get(voice)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise click.UsageError("Standard input is not a terminal; pass --yes to confirm.")
        click.confirm(f"Remove {label(found)} for good?", abort=True)
    echo(f"Removed {label(await library.remove(found.id))}.")


@library_command("import")
@click.argument("file", type=_FILE)
@click.option(
    "--existing",
    type=click.Choice(["refuse", "skip", "replace"]),
    default="refuse",
    show_default=True,
    help="Where the library has a voice of the same name: import nothing; leave that voice as it is; "
    "or give it the clip, language, consent and aliases of the file.",
)
async def import_(library: VoiceLibrary, file: Path, existing: str) -> None:
    """Import the voices of an exported file."""
    from chatterbox_api.archive import read_archive

    async for line in read_archive(library, file, existing=existing):
        echo(line)


COMMANDS: Final = (add, replace, rename, alias, default, remove, import_)
"""In the order of the help."""


def _summary(report: ClipReport) -> str:
    """The duration and the sample rate, which end a sentence, and the advice on lines below."""
    return "\n  ".join((f"{report.duration_s:.1f} s at {report.sample_rate_hz:,} Hz.", *report.advice))
