"""Logging: one line per event on standard error, fit for a terminal and for a service manager."""

from __future__ import annotations

import logging
import sys

__all__ = ["set_up_logging"]


def set_up_logging(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    server = logging.getLogger("uvicorn.error")
    server.setLevel(logging.WARNING)
    server.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Failures of a request are logged where they are handled, and a stranger's bad request is no news of ours."""
    message = record.getMessage()
    return not message.startswith(("Exception in ASGI application", "Invalid HTTP request", "Unsupported upgrade"))
