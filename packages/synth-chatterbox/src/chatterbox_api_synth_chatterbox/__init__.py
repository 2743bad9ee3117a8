"""The Chatterbox models as an engine: see `plugin`. Nothing here imports torch; the child process does."""

from __future__ import annotations

__all__: list[str] = []
