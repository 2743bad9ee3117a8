"""Audio formats on PyAV and soundfile: encoding with effects, and the reading of clips."""

from __future__ import annotations

__all__: list[str] = []
