"""`chatterbox-api voices`: the library on the command line. Tables for people, `--json` for scripts."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from chatterbox_api.cli.common import env_file_option, run_to_end
from chatterbox_api.cli.loading import when_loaded
from chatterbox_api.cli.output import FAILED, echo, echo_json, wrapped
from chatterbox_api.cli.progress import progress_bar
from chatterbox_api.cli.voices_copy import copy
from chatterbox_api.environment import check_all, read_environment
from chatterbox_api.logs import set_up_logging
from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.types import ClipReport, Voice
from chatterbox_api_core.voices import VoiceLibrary

__all__ = ["voices"]

P = ParamSpec("P")
_CLIP = click.Path(path_type=Path, dir_okay=False, exists=True)
_json_option = click.option("--json", "as_json", is_flag=True, help="For scripts.")


@click.group(short_help="Keep voices: list, add, rename, copy, ...")
def voices() -> None:
    """Keep voices. VOICE is an id, a name or an alias, in any spelling, or `default`."""


voices.add_command(copy)


def _command(
    name: str, help: str
) -> Callable[[Callable[Concatenate[VoiceLibrary, P], Awaitable[None]]], click.Command]:
    """A command that is given the open library."""

    def wrap(work: Callable[Concatenate[VoiceLibrary, P], Awaitable[None]]) -> click.Command:
        @functools.wraps(work)
        def run(*args: Any, env_file: Path | None, **options: Any) -> None:
            set_up_logging("warning")
            env = read_environment(env_file)
            check_all(env)
            run_to_end(_with_library(env, functools.partial(work, *args, **options)))

        command: click.Command = voices.command(name, help=help)(env_file_option(run))
        return command

    return wrap


async def _with_library(env: dict[str, str], work: Callable[[VoiceLibrary], Awaitable[None]]) -> None:
    from chatterbox_api.compose import compose_library

    async with compose_library(env, clip_reader_on_demand=True) as library:
        if library.store_name == "memory":
            raise ConfigurationError(
                "Voices are kept in the memory of the service, out of this command's reach.",
                field="VOICE_STORE",
                remedy="Choose a store that lasts.",
            )
        await work(library.voices)


@_command("list", help="List the voices.")
@_json_option
async def list_voices(library: VoiceLibrary, as_json: bool) -> None:
    found = await _all(library)
    default = await library.default()
    if as_json:
        echo_json([_as_json(voice, default) for voice in found])
        return
    if not found:
        echo('No voices yet. Add one: chatterbox-api voices add "Anna" recording.wav')
        return
    for voice in found:
        echo(_listed(voice, is_default=default is not None and voice.id == default.id))


@_command("show", help="Show all that is known of a voice.")
@click.argument("voice")
@_json_option
async def show(library: VoiceLibrary, voice: str, as_json: bool) -> None:
    found = _as_json(await library.get(voice), await library.default())
    if as_json:
        echo_json(found)
        return
    for key, value in found.items():
        echo(f"{key:12} {', '.join(value) if isinstance(value, list) else value if value is not None else ''}")


@_command("add", help="Take a new voice in, from a recording.")
@click.argument("name")
@click.argument("file", type=_CLIP)
@click.option("--alias", "aliases", multiple=True, help="Another name; may be given several times.")
@click.option("--language", help="A tag such as en or pt-BR.")
@click.option("--consent", help="What the speaker agreed to, or where that is written.")
async def add(
    library: VoiceLibrary, name: str, file: Path, aliases: tuple[str, ...], language: str | None, consent: str | None
) -> None:
    voice, report = await library.create(
        name,
        await asyncio.to_thread(file.read_bytes),
        filename=click.format_filename(file.name),
        aliases=aliases,
        language=language,
        consent=consent,
    )
    echo(f"Added {_called(voice)}: {_heard(report)}")


@_command("replace", help="Give a voice another recording.")
@click.argument("voice")
@click.argument("file", type=_CLIP)
async def replace(library: VoiceLibrary, voice: str, file: Path) -> None:
    replaced, report = await library.replace(
        voice, await asyncio.to_thread(file.read_bytes), filename=click.format_filename(file.name)
    )
    echo(f"Replaced the recording of {_called(replaced)}: {_heard(report)}")


@_command("rename", help="Give a voice another name.")
@click.argument("voice")
@click.argument("new_name")
async def rename(library: VoiceLibrary, voice: str, new_name: str) -> None:
    echo(f"Renamed to {_called(await library.rename(voice, new_name))}.")


@_command("alias", help="Let a voice answer to another name too, or no longer.")
@click.argument("voice")
@click.argument("alias")
@click.option("--remove", is_flag=True, help="Free the alias.")
async def alias(library: VoiceLibrary, voice: str, alias: str, remove: bool) -> None:
    changed = await (library.remove_alias(voice, alias) if remove else library.add_alias(voice, alias))
    echo(f"{_called(changed)} answers to: {', '.join((changed.name, *changed.aliases))}")


@_command("default", help="Show or choose the voice that speaks when none is asked for.")
@click.argument("voice", required=False)
@click.option("--clear", is_flag=True, help="Have no default voice.")
async def default(library: VoiceLibrary, voice: str | None, clear: bool) -> None:
    if clear and voice is not None:
        raise click.UsageError("VOICE and --clear exclude each other.")
    chosen = await (library.set_default(voice) if clear or voice is not None else library.default())
    echo(f"The default voice is {_called(chosen)}." if chosen else "There is no default voice.")


@_command("remove", help="Remove a voice.")
@click.argument("voice")
@click.option("--yes", is_flag=True, help="Do not ask.")
async def remove(library: VoiceLibrary, voice: str, yes: bool) -> None:
    found = await library.get(voice)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise click.UsageError("Standard input is not a terminal; pass --yes to confirm.")
        click.confirm(f"Remove {_called(found)} for good?", abort=True)
    echo(f"Removed {_called(await library.remove(found.id))}.")


@_command("verify", help="Read every stored recording and say which are damaged.")
@click.argument("wanted", nargs=-1, metavar="[VOICE]...")
@_json_option
async def verify(library: VoiceLibrary, wanted: tuple[str, ...], as_json: bool) -> None:
    found = [await library.get(voice) for voice in wanted] or await _all(library)
    problems = []
    with progress_bar("Verifying", len(found)) as advance:
        for voice in found:
            if problem := await library.verify(voice):
                problems.append((voice, problem))
            advance()
    if as_json:
        shown = [{"id": voice.id, "name": voice.name, "problem": error.code} for voice, error in problems]
        echo_json({"checked": len(found), "problems": shown})
    else:
        for voice, error in problems:
            echo(f"{FAILED} {_called(voice)}: {error}")
        echo(f"{len(found)} checked, {len(problems)} damaged.")
    if problems:
        raise click.exceptions.Exit(1)


@_command("export", help="Write voices into one file: all, or those named.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("wanted", nargs=-1, metavar="[VOICE]...")
async def export(library: VoiceLibrary, file: Path, wanted: tuple[str, ...]) -> None:
    from chatterbox_api.archive import write_archive

    named = {(voice := await library.get(each)).id: voice for each in wanted}
    found = list(named.values()) or await _all(library)
    if not file.parent.is_dir():
        raise click.UsageError(f"There is no folder {click.format_filename(file.parent)}.")
    left_out = await write_archive(library, found, file)
    for voice, error in left_out:
        echo(f"left out: {_called(voice)}: {error}", err=True)
    count = len(found) - len(left_out)
    echo(f"Exported {count} voice{'s' * (count != 1)} to {click.format_filename(file)}.")
    if left_out:
        raise click.exceptions.Exit(1)


@_command("import", help="Take in the voices of an exported file.")
@click.argument("file", type=_CLIP)
@click.option(
    "--existing",
    type=click.Choice(["refuse", "skip", "replace"]),
    default="refuse",
    show_default=True,
    help="What becomes of a voice whose name is there: nothing is taken in; it is left as it is; "
    "or it gets the clip, language, consent and aliases of the file.",
)
async def import_(library: VoiceLibrary, file: Path, existing: str) -> None:
    from chatterbox_api.archive import read_archive

    async for line in read_archive(library, file, existing=existing):
        echo(line)


async def _all(library: VoiceLibrary) -> list[Voice]:
    async def read() -> list[Voice]:
        return [voice async for voice in library.all()]

    return await when_loaded(read)


def _listed(voice: Voice, *, is_default: bool) -> str:
    """A voice on two lines, three where it has aliases; the id comes whole."""
    facts = (voice.id, voice.language, f"{voice.duration_s:.1f} s", f"added {voice.created_at:%Y-%m-%d}")
    lines = [
        f"{voice.name} (default)" if is_default else voice.name,
        wrapped(", ".join(fact for fact in facts if fact), indent=2),
    ]
    if voice.aliases:
        lines.append(wrapped(f"also called {', '.join(voice.aliases)}", indent=2))
    return "\n".join(lines)


def _called(voice: Voice) -> str:
    return f"{voice.name!r} ({voice.id})"


def _heard(report: ClipReport) -> str:
    """Ends the sentence, and says beneath it what the recording is worth."""
    return "\n  ".join((f"{report.duration_s:.1f} s at {report.sample_rate_hz:,} Hz.", *report.advice))


def _as_json(voice: Voice, default: Voice | None) -> dict[str, Any]:
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
