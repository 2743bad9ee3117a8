"""Audio formats on PyAV: encoding, change of tempo, and the reading of clips."""

from __future__ import annotations

__all__: list[str] = []
