"""Clips in memory: idle expiry, bounded by bytes."""

from __future__ import annotations

__all__: list[str] = []
