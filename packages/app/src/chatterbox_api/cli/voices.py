"""`chatterbox-api voices`: the library on the command line. Lines for people, `--json` for scripts."""

from __future__ import annotations

import click

from chatterbox_api.cli import voices_read, voices_write
from chatterbox_api.cli.voices_copy import copy

__all__ = ["voices"]


@click.group(short_help="Keep voices: list, add, rename, copy, ...")
def voices() -> None:
    """Keep voices. VOICE is an id, a name or an alias, in any spelling, or `default`."""


for command in (*voices_read.COMMANDS, *voices_write.COMMANDS, copy):
    voices.add_command(command)
