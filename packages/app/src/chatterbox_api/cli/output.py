"""Prints for any encoding and any width, and into pipes that are closed early."""

from __future__ import annotations

import codecs
import io
import json
import os
import shutil
import sys
from typing import Any, Final

import click

__all__ = ["FAILED", "OK", "discard_output", "echo", "echo_json", "prepare_output", "wrapped"]

OK: Final = "✓"
"""Stands before what is in order."""
FAILED: Final = "✗"
"""Stands before what is not."""

_ERRORS: Final = "chatterbox-api-plain"
_PLAIN: Final = str.maketrans(
    {OK: "ok", FAILED: "failed", "–": "-", "→": "->", "«": '"', "»": '"', "’": "'", "…": "...", "━": "-", "•": "-"}
)
"""The plain spelling of signs that the encoding of the output lacks."""
_DEFAULT_COLUMNS: Final = 80
_MIN_COLUMNS: Final = 20
_MAX_COLUMNS: Final = 100


def prepare_output() -> None:
    """Make standard output and standard error accept every character, whatever their encoding."""
    codecs.register_error(_ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def discard_output() -> None:
    """Drop what is buffered for standard output after a write has failed; the interpreter would try it again."""
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 — open until the process ends


def echo(text: str = "", *, err: bool = False) -> None:
    """Print a line in the encoding of the stream; click's own stream would write UTF-8 into an ASCII one."""
    click.echo(text, file=sys.stderr if err else sys.stdout)


def echo_json(value: Any) -> None:
    """Print a value as JSON; in ASCII alone where the encoding of the output lacks a character of it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    echo(text if _keeps(text, getattr(sys.stdout, "encoding", None) or "utf-8") else json.dumps(value, indent=2))


def wrapped(text: str, *, indent: int) -> str:
    """`text` between spaces, broken into lines for the width of the terminal or 80 columns; no word is broken."""
    from rich.cells import cell_len

    columns = shutil.get_terminal_size((_DEFAULT_COLUMNS, 24)).columns
    width = max(_MIN_COLUMNS, min(columns, _MAX_COLUMNS) - indent)
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(" " * indent + line for line in lines)


def _keeps(text: str, encoding: str) -> bool:
    """Whether a text is the same after encoding. In Shift-JIS, the yen sign has the byte of the backslash."""
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeError:
        return False


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end
