"""Chatterbox API as an application: settings, the composition root, the server, the command line."""

from __future__ import annotations

__all__: list[str] = []
