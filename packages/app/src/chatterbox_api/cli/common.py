"""What commands share."""

from __future__ import annotations

import asyncio
import codecs
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import click

__all__ = [
    "ENDING_SIGNALS",
    "contents",
    "env_file_option",
    "piped_input",
    "piped_text",
    "recordings",
    "run_to_end",
    "shown",
]

T = TypeVar("T")

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

_MAX_BYTES_PER_CHAR: Final = 4
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

env_file_option = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read settings from this file instead of .env.",
)

recordings = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False, allow_dash=True, exists=True)
)
"""Files to be read, - being standard input; see `piped_input` and `contents`."""


def piped_input(files: tuple[str, ...], *, max_bytes: int) -> bytes:
    """What comes on standard input, where one of the files is -. Raises click.UsageError.

    To be called before the loop runs: a signal ends the wait for a pipe, and would not end a thread's.

    Args:
        max_bytes: that are allowed; one more is read, which tells too much from just enough, however much there is.
    """
    if files.count("-") > 1:
        raise click.UsageError("Standard input can be read once.")
    return _standard_input().buffer.read(max_bytes + 1) if "-" in files else b""


def piped_text(*, max_chars: int) -> str:
    """The text on standard input: in UTF-8, what a byte order mark says, or the encoding that Python was given.

    Args:
        max_chars: that are allowed; more is read, which tells too much from just enough, however much there is.

    Raises:
        click.UsageError: it is not in that encoding.
    """
    stdin = _standard_input()
    limit = (max_chars + 1) * _MAX_BYTES_PER_CHAR
    data = stdin.buffer.read(limit)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), stdin.encoding)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data, final=len(data) < limit)
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"The text on standard input is not {encoding.upper()} (byte {error.start:,}). "
            "Convert it: iconv -f WINDOWS-1252 -t UTF-8, or name its encoding in PYTHONIOENCODING."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _standard_input() -> TextIO:
    if sys.stdin is None:
        raise click.UsageError("There is no standard input.")
    return sys.stdin


def contents(name: str, *, piped: bytes, max_bytes: int) -> bytes:
    """The bytes of a file, as far as `max_bytes` and one more; `piped` for -. Raises OSError."""
    if name == "-":
        return piped
    with Path(name).open("rb") as file:
        return file.read(max_bytes + 1)


def shown(name: str) -> str:
    """The name of a file, for people."""
    return "standard input" if name == "-" else click.format_filename(name)


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A signal that ends the command cancels it, as Ctrl-C does, so that it cleans up first."""
    received: list[int] = []

    async def attended() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 — asyncio.run made it

        def end(number: int) -> None:
            received.append(number)
            task.cancel()

        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, end, number)
        return await work

    try:
        return asyncio.run(attended())
    except asyncio.CancelledError:
        sys.exit(128 + received[0] if received else 1)
