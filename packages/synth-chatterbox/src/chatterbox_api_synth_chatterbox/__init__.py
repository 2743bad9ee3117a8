"""The Chatterbox models as an engine. The service imports the modules of this folder; only `child` imports torch."""

from __future__ import annotations

__all__: list[str] = []
