"""espeak-ng as an engine: speaks about 130 languages on any machine, without weights, GPU or account."""

from __future__ import annotations

__all__: list[str] = []
