"""What commands share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["env_file_option"]

env_file_option = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read settings from this file instead of .env.",
)
