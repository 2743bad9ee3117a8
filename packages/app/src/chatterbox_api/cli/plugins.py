"""`chatterbox-api plugins`."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TypedDict

import click

from chatterbox_api.cli.common import env_file_option
from chatterbox_api_core.plugins import GROUPS, installed

__all__ = ["plugins"]

_PROBE_S = 30.0


class Finding(TypedDict):
    group: str
    name: str
    package: str
    version: str
    state: str
    detail: str


@click.command(short_help="List the installed adapters and check each.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@env_file_option
def plugins(as_json: bool, env_file: Path | None) -> None:
    """List the installed adapters; each that is set up is opened and closed in a process of its own.

    \b
    ready       can be used
    absent      is not set up, and nothing says that it should be
    incomplete  is half set up
    on request  can be used when named; auto passes it by
    broken      fails when it is loaded or opened
    """
    findings = _check_plugins(env_file)
    if as_json:
        click.echo(json.dumps(findings, indent=2))
        return
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    columns = [Column(title, no_wrap=True) for title in ("port", "name", "state", "package")]
    table = Table(*columns, Column("detail", overflow="fold"), box=None, padding=(0, 2, 0, 0))
    for finding in findings:
        colour = {"ready": "green", "broken": "red", "incomplete": "yellow"}.get(finding["state"], "")
        plain = [finding["group"], finding["name"], finding["state"], finding["package"], finding["detail"]]
        cells = [Text(words) for words in plain]  # as they are: a table reads [model] as a colour
        cells[2].stylize(colour)
        table.add_row(*cells)
    Console().print(table)


def _check_plugins(env_file: Path | None) -> list[Finding]:
    """Every installed adapter, with what its probe found."""
    entries = [(group, entry) for group in GROUPS for entry in installed(group)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda found: _probed(found[0], found[1], env_file), entries))


def _probed(group: str, entry: EntryPoint, env_file: Path | None) -> Finding:
    command = [sys.executable, "-m", "chatterbox_api.probe", group, entry.name, *([str(env_file)] if env_file else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_S, check=False)  # noqa: S603
        lines = done.stdout.strip().splitlines()
        result = json.loads(lines[-1]) if done.returncode == 0 and lines else None
        if result is None:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            result = {"state": "broken", "detail": last}
    except subprocess.TimeoutExpired:
        result = {"state": "broken", "detail": f"no answer within {_PROBE_S:g} s"}
    return Finding(
        group=group.removeprefix("chatterbox_api."),
        name=entry.name,
        package=entry.dist.name if entry.dist else "?",
        version=entry.dist.version if entry.dist else "?",
        state=result["state"],
        detail=result["detail"],
    )
