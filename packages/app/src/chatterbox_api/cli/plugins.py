"""`chatterbox-api plugins`: lists the installed adapters and checks each."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from itertools import groupby
from pathlib import Path
from typing import Final, TypedDict

import click

from chatterbox_api.cli.common import env_file_option
from chatterbox_api.cli.output import echo, echo_json, wrapped
from chatterbox_api_core.plugins import GROUPS, installed

__all__ = ["plugins"]

_PROBE_S: Final = 30.0
_COLOURS: Final = {"ready": "green", "broken": "red", "incomplete": "yellow", "unavailable": "yellow"}


class Finding(TypedDict):
    """An adapter, and the result of its probe.

    Attributes:
        group: without `chatterbox_api.`.
        state: one of those that the command's help explains.
        detail: what it offers, or what is wrong; may be empty.
    """

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
    ready        can be used
    absent       is not set up, and nothing says that it should be
    incomplete   is half set up
    on request   can be used when named; auto passes it by
    unavailable  opens, and is not able to serve now
    broken       fails when it is loaded or opened
    """
    findings = _check_plugins(env_file)
    if as_json:
        echo_json(findings)
        return
    for group, members in groupby(findings, key=lambda finding: finding["group"]):
        echo(group)
        for finding in members:
            state = click.style(f"{finding['state']:11}", fg=_COLOURS.get(finding["state"]))
            echo(f"  {finding['name']:11} {state} {finding['package']} {finding['version']}")
            if finding["detail"]:
                echo(wrapped(finding["detail"], indent=6))


def _check_plugins(env_file: Path | None) -> list[Finding]:
    """Every installed adapter, with the result of its probe."""
    entries = [(group, entry) for group in GROUPS for entry in installed(group)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda found: _probe(found[0], found[1], env_file), entries))


def _probe(group: str, entry: EntryPoint, env_file: Path | None) -> Finding:
    command = [sys.executable, "-m", "chatterbox_api.probe", group, entry.name, *([str(env_file)] if env_file else [])]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_PROBE_S, check=False
        )
        lines = done.stdout.strip().splitlines()
        result = json.loads(lines[-1]) if done.returncode == 0 and lines else None
        if result is None:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            result = {"state": "broken", "detail": last}
    except subprocess.TimeoutExpired:
        result = {"state": "broken", "detail": f"it did not answer within {_PROBE_S:g} s"}
    return Finding(
        group=group.removeprefix("chatterbox_api."),
        name=entry.name,
        package=entry.dist.name if entry.dist else "?",
        version=entry.dist.version if entry.dist else "?",
        state=result["state"],
        detail=result["detail"],
    )
