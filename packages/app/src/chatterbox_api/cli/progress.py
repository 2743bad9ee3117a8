"""A progress bar for long work, on terminals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(title: str, total: int) -> Generator[Callable[[], None], None, None]:
    """A bar on standard error, if that is a terminal; each call of what it yields is one of `total` steps."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    visible = total > 1 and sys.stderr.isatty()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not visible) as progress:
        bar = progress.add_task(title, total=total)
        yield lambda: progress.advance(bar)
