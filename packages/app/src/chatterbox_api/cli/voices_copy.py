"""`chatterbox-api voices copy`: voices from one store into another."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import click

from chatterbox_api.cli.common import Environment, with_settings
from chatterbox_api.cli.output import echo, echo_json
from chatterbox_api.cli.progress import progress_bar
from chatterbox_api.cli.waiting import retry_while_loading
from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, InvalidInput, NotFound
from chatterbox_api_core.plugins import VOICE_STORES, installed_name
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices._lookup import get_voice

if TYPE_CHECKING:
    from chatterbox_api.library_copy import CopyResult

__all__ = ["copy"]

_PAGE: Final = 1000


@click.command(short_help="Copy voices from one store into another.")
@click.argument("names", nargs=-1, metavar="[VOICE]...")
@click.option("--from", "source_name", required=True, metavar="STORE", help="The store to copy from, such as local.")
@click.option("--to", "target_name", required=True, metavar="STORE", help="The store to copy into, such as r2.")
@click.option("--replace", is_flag=True, help="Let voices of the same name become what they are in the source.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@with_settings()
async def copy(
    env: Environment, names: tuple[str, ...], source_name: str, target_name: str, replace: bool, as_json: bool
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
    await _copy(env, source_name, target_name, names, overwrite=replace, report=_Report(as_json))


async def _copy(
    env: Environment,
    source_name: str,
    target_name: str,
    names: tuple[str, ...],
    *,
    overwrite: bool,
    report: _Report,
) -> None:
    from chatterbox_api.compose import open_store
    from chatterbox_api.library_copy import copy_voices

    for name in (source_name, target_name):
        if name == "memory":
            raise ConfigurationError(
                "Voices in memory last no longer than a command.", remedy="Name a store that lasts."
            )
    async with open_store(source_name, env) as source, open_store(target_name, env) as target:
        await source.ready()
        await target.ready()
        voices = await _find_voices(source, names)
        copies = copy_voices(source, target, voices, overwrite=overwrite)
        with progress_bar(f"{source_name} → {target_name}", len(voices)) as advance:
            try:
                async for result in copies:
                    report.add(result)
                    advance()
            except ChatterboxError as error:
                report.stopped = error
            finally:
                await copies.aclose()
    report.finish(len(voices))


async def _find_voices(store: VoiceStore, names: tuple[str, ...]) -> list[Voice]:
    """The voices of these names, each once; all where there are no names. Raises NotFound."""
    if names:
        return list({voice.id: voice for voice in [await _find_voice(store, name) for name in names]}.values())
    found: list[Voice] = []
    while page := await retry_while_loading(lambda: store.list(after=found[-1].id if found else None, limit=_PAGE)):
        found.extend(page)
    return found


async def _find_voice(store: VoiceStore, name: str) -> Voice:
    try:
        return await get_voice(store, name)
    except (NotFound, InvalidInput):
        raise NotFound(f"There is no voice {name.strip()!r} in the source.", field="voice") from None


class _Report:
    """Prints the result of each voice: on a line as it comes, or all at the end as JSON."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._results: list[dict[str, Any]] = []
        self.stopped: ChatterboxError | None = None

    def add(self, result: CopyResult) -> None:
        self._results.append(_as_dict(result))
        # On a terminal the bar shows the progress, so only what needs a person has a line.
        if not self._as_json and (result.error is not None or not sys.stdout.isatty()):
            state = {"present": "there already"}.get(result.state, result.state)
            note = f": {result.error}" if result.error else ", now the default voice" if result.default else ""
            echo(f"{state}: {result.source.name}{note}")

    def finish(self, total: int) -> None:
        """Print the summary, and raise what stopped the copy; or exit with 1 when a voice was not copied."""
        if self._as_json:
            summary: dict[str, Any] = {"total": total, "voices": self._results}
            if self.stopped:
                summary["stopped"] = {"code": self.stopped.code, "message": str(self.stopped)}
            echo_json(summary)
        else:
            echo(self._sentence(total))
        if self.stopped:
            raise self.stopped
        if any("problem" in each for each in self._results):
            raise click.exceptions.Exit(1)

    def _sentence(self, total: int) -> str:
        if not total:
            return "There are no voices to copy."
        counts = Counter(each["state"] for each in self._results)
        parts = [f"{counts[state]} {state}" for state in ("copied", "replaced") if counts[state] or state == "copied"]
        parts.append(f"{counts['present']} there already")
        for state, words in (("conflict", "in conflict"), ("failed", "failed")):
            if counts[state]:
                parts.append(f"{counts[state]} {words}")
        if missing := total - len(self._results):
            parts.append(f"{missing} not tried")
        again = " Run it again to go on." if self.stopped else ""
        return f"{total} voice{'s' * (total != 1)}: {', '.join(parts)}.{again}"


def _as_dict(result: CopyResult) -> dict[str, Any]:
    from chatterbox_api.library_copy import differences

    source, target = result.source, result.target
    shown: dict[str, Any] = {"name": source.name, "id": source.id, "state": result.state}
    if target is not None:
        shown |= {"target_id": target.id, "target_name": target.name}
    if result.default:
        shown["default"] = True
    if result.error is not None:
        shown["problem"] = {"code": result.error.code, "message": str(result.error)}
    if result.state == "conflict" and target is not None:
        shown["differences"] = {
            each.field: {"source": each.in_source, "target": each.in_target} for each in differences(source, target)
        }
    return shown
