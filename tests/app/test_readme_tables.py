"""The tables of the app's README name every command and every exit code of the command line."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from chatterbox_api.cli import cli
from chatterbox_api.cli.voices import voices

README = (Path(__file__).parents[2] / "packages/app/README.md").read_text()


def rows(header: str) -> list[list[str]]:
    """The rows of the table below a header, as cells."""
    table = README.partition(header)[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line[:3] != "|--"][1:]


def test_every_command_is_documented() -> None:
    commands = {re.findall(r"\w+", cells[0])[0]: cells[1] for cells in rows("## Commands\n\n")}
    assert set(commands) == set(cli.commands)
    assert set(re.findall(r"`(\w+)`", commands["voices"])) == set(voices.commands)


def test_the_exit_codes_are_those_of_the_help() -> None:
    table = rows("| exit code | meaning |")
    help_text = re.sub(r"\s+", " ", CliRunner().invoke(cli, ["--help"]).output)
    codes = re.findall(r"(\d+) [a-z]", help_text.partition("Exit codes: ")[2].partition(". ")[0])
    assert [cells[0] for cells in table] == codes
