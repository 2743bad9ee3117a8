"""Sets logging up: one line for each event on standard error, for terminals and service managers."""

from __future__ import annotations

import asyncio
import logging
import sys

from chatterbox_api_core.errors import ChatterboxError

__all__ = ["set_up_logging"]


def set_up_logging(level: str) -> None:
    """Log from this level on, such as `info`; replaces what was set up before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    server = logging.getLogger("uvicorn.error")
    server.setLevel(logging.WARNING)
    server.addFilter(_is_worth_logging)


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Whether a record of uvicorn's says what is not logged yet, and is about the service.

    The front end logs the failures that it expects of a request; a request that is no HTTP is its client's failure.
    """
    message = record.getMessage()
    if message.startswith("Exception in ASGI application"):
        return not _is_expected(record.exc_info[1] if record.exc_info else None)
    return not message.startswith("Invalid HTTP request")


def _is_expected(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, (ChatterboxError, TimeoutError, asyncio.CancelledError)):
            return True
        error = error.__cause__
    return False
