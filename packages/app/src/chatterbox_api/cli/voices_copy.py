"""`chatterbox-api voices copy`: voices from one store into another."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from chatterbox_api.cli.common import env_file_option, run_to_end
from chatterbox_api.cli.loading import when_loaded
from chatterbox_api.cli.output import echo, echo_json
from chatterbox_api.cli.progress import progress_bar
from chatterbox_api.environment import check_all, read_environment
from chatterbox_api.logs import set_up_logging
from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, InvalidInput, NotFound
from chatterbox_api_core.plugins import VOICE_STORES, installed_name
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices._lookup import get_voice

__all__ = ["copy"]

_PAGE = 1000


@click.command(short_help="Copy voices from one store into another.")
@click.argument("wanted", nargs=-1, metavar="[VOICE]...")
@click.option("--from", "source_name", required=True, metavar="STORE", help="The store to copy from, such as local.")
@click.option("--to", "target_name", required=True, metavar="STORE", help="The store to copy into, such as r2.")
@click.option("--replace", is_flag=True, help="Let voices of the same name become what they are in the source.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@env_file_option
def copy(
    wanted: tuple[str, ...], source_name: str, target_name: str, replace: bool, as_json: bool, env_file: Path | None
) -> None:
    """Copy voices from one store into another: all, or those named. The source is left as it is.

    A copy has the name, aliases, language, consent, file name and clip of the voice. Its id is new, and so are its
    dates. The default voice comes along where the target has none. Each clip is read back and compared.

    Run it again after an interruption, and it goes on where it stopped. What the target has under the same name is
    left as it is, unless --replace is given. Exits with 1 when a voice was not copied.

    \b
    chatterbox-api voices copy --from local --to r2
    chatterbox-api voices copy --from r2 --to local Anna Bert
    """
    source_name, target_name = installed_name(VOICE_STORES, source_name), installed_name(VOICE_STORES, target_name)
    if source_name == target_name:
        raise click.UsageError("--from and --to are the same store.")
    set_up_logging("warning")
    env = read_environment(env_file)
    check_all(env)
    run_to_end(_run(env, source_name, target_name, wanted, overwrite=replace, report=_Report(as_json)))


async def _run(
    env: dict[str, str],
    source_name: str,
    target_name: str,
    wanted: tuple[str, ...],
    *,
    overwrite: bool,
    report: _Report,
) -> None:
    from chatterbox_api.compose import open_store
    from chatterbox_api.copy import copy_voices

    for name in (source_name, target_name):
        if name == "memory":
            raise ConfigurationError(
                "What is in memory lasts no longer than a command.", remedy="Name a store that lasts."
            )
    async with open_store(source_name, env) as source, open_store(target_name, env) as target:
        await source.ready()
        await target.ready()
        voices = await _voices(source, wanted)
        copies = copy_voices(source, target, voices, overwrite=overwrite)
        with progress_bar(f"{source_name} → {target_name}", len(voices)) as advance:
            try:
                async for each in copies:
                    report.add(each)
                    advance()
            except ChatterboxError as error:
                report.stopped = error
            finally:
                await copies.aclose()
    report.finish(len(voices))


async def _voices(store: VoiceStore, wanted: tuple[str, ...]) -> list[Voice]:
    """The voices that are meant, each once. NotFound."""
    if wanted:
        return list({voice.id: voice for voice in [await _meant(store, asked) for asked in wanted]}.values())
    found: list[Voice] = []
    while page := await when_loaded(lambda: store.list(after=found[-1].id if found else None, limit=_PAGE)):
        found.extend(page)
    return found


async def _meant(store: VoiceStore, asked: str) -> Voice:
    try:
        return await get_voice(store, asked)
    except (NotFound, InvalidInput):
        raise NotFound(f"There is no voice {asked.strip()!r} in the source.", field="voice") from None


class _Report:
    """Says what becomes of the voices: each on a line as it comes, or all at the end as JSON."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._seen: list[dict[str, Any]] = []
        self.stopped: ChatterboxError | None = None

    def add(self, each: Any) -> None:
        self._seen.append(_as_dict(each))
        # On a terminal the bar shows how it goes; there, only what needs a person is worth a line.
        if not self._as_json and (each.error is not None or not sys.stdout.isatty()):
            state = {"present": "there already"}.get(each.state, each.state)
            note = f": {each.error}" if each.error else ", now the default voice" if each.default else ""
            echo(f"{state}: {each.source.name}{note}")

    def finish(self, total: int) -> None:
        """Sum up, and raise what ended it early; or exit with 1 when a voice was not copied."""
        if self._as_json:
            summary: dict[str, Any] = {"total": total, "voices": self._seen}
            if self.stopped:
                summary["stopped"] = {"code": self.stopped.code, "message": str(self.stopped)}
            echo_json(summary)
        else:
            echo(self._sentence(total))
        if self.stopped:
            raise self.stopped
        if any("problem" in each for each in self._seen):
            raise click.exceptions.Exit(1)

    def _sentence(self, total: int) -> str:
        if not total:
            return "There are no voices to copy."
        counts = Counter(each["state"] for each in self._seen)
        parts = [f"{counts[state]} {state}" for state in ("copied", "replaced") if counts[state] or state == "copied"]
        parts.append(f"{counts['present']} there already")
        for state, words in (("conflict", "in conflict"), ("failed", "failed")):
            if counts[state]:
                parts.append(f"{counts[state]} {words}")
        if missing := total - len(self._seen):
            parts.append(f"{missing} not tried")
        again = " Run it again to go on." if self.stopped else ""
        return f"{total} voice{'s' * (total != 1)}: {', '.join(parts)}.{again}"


def _as_dict(each: Any) -> dict[str, Any]:
    from chatterbox_api.copy import differences

    shown: dict[str, Any] = {"name": each.source.name, "id": each.source.id, "state": each.state}
    if each.target is not None:
        shown |= {"target_id": each.target.id, "target_name": each.target.name}
    if each.default:
        shown["default"] = True
    if each.error is not None:
        shown["problem"] = {"code": each.error.code, "message": str(each.error)}
    if each.state == "conflict" and each.target is not None:
        shown["differences"] = {
            what: {"source": here, "target": there} for what, here, there in differences(each.source, each.target)
        }
    return shown
