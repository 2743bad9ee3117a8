"""What commands have in common: settings, standard input, files, signals."""

from __future__ import annotations

import asyncio
import codecs
import functools
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TextIO, TypeAlias, TypeVar

import click

from chatterbox_api.environment import check_all, read_environment
from chatterbox_api.logs import set_up_logging

__all__ = [
    "ENDING_SIGNALS",
    "Environment",
    "display_name",
    "env_file_option",
    "piped_input",
    "piped_text",
    "read_file",
    "recordings",
    "run_to_end",
    "with_settings",
]

P = ParamSpec("P")
T = TypeVar("T")

Environment: TypeAlias = dict[str, str]
"""The settings: the process's environment over the file's values."""

ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
"""The signals that end a command after it has cleaned up, as Ctrl-C does."""

_MAX_BYTES_PER_CHAR: Final = 4
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

env_file_option = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read settings from this file instead of .env.",
)
"""The option of every command that reads settings."""

recordings = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False, allow_dash=True, exists=True)
)
"""Files to be read, - being standard input; see `piped_input` and `read_file`."""


def with_settings(
    *, check: bool = True
) -> Callable[[Callable[Concatenate[Environment, P], Coroutine[Any, Any, None]]], Callable[..., None]]:
    """Decorate the function of a command that reads settings, and give it `--env-file`.

    The command sets logging up, reads the settings, and runs the coroutine that the function returns to its end. The
    function itself is called before the event loop runs, so it may read standard input; see `piped_input`.

    Args:
        check: whether every declared setting is read first, so that a wrong one stops the command.
    """

    def wrap(work: Callable[Concatenate[Environment, P], Coroutine[Any, Any, None]]) -> Callable[..., None]:
        @functools.wraps(work)
        def run(*args: Any, env_file: Path | None, **options: Any) -> None:
            set_up_logging("warning")
            env = read_environment(env_file)
            if check:
                check_all(env)
            run_to_end(work(env, *args, **options))

        return env_file_option(run)

    return wrap


def piped_input(files: tuple[str, ...], *, max_bytes: int) -> bytes:
    """The bytes on standard input where one of the files is -, else none.

    It must be called before the event loop runs: a signal ends this wait for a pipe, and would not end a thread's.

    Args:
        max_bytes: that are allowed; one more is read at most, so that too many can be told from just enough.

    Raises:
        click.UsageError: several of the files are -, or there is no standard input.
    """
    if files.count("-") > 1:
        raise click.UsageError("Standard input can be read once.")
    return _standard_input().buffer.read(max_bytes + 1) if "-" in files else b""


def piped_text(*, max_chars: int) -> str:
    """The text on standard input: in UTF-8, in what a byte order mark says, or in Python's encoding of it.

    Args:
        max_chars: that are allowed; somewhat more is read at most, so that too many can be told from just enough.

    Raises:
        click.UsageError: it is not in that encoding, or there is no standard input.
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


def read_file(name: str, *, piped: bytes, max_bytes: int) -> bytes:
    """The first `max_bytes` and one more byte of a file; `piped` for -. Raises OSError."""
    if name == "-":
        return piped
    with Path(name).open("rb") as file:
        return file.read(max_bytes + 1)


def display_name(name: str) -> str:
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


def _standard_input() -> TextIO:
    if sys.stdin is None:
        raise click.UsageError("There is no standard input.")
    return sys.stdin
