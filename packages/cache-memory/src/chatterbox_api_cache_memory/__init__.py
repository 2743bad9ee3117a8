"""The clip cache in memory: bounded by bytes, with expiry after a time without access."""

from __future__ import annotations

__all__: list[str] = []
