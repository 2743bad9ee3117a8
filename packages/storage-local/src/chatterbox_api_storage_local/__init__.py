"""Voices on local disk: one file per clip, everything else in SQLite."""

from __future__ import annotations

__all__: list[str] = []
