"""Acme's adapters for Chatterbox API: voices in a folder, an engine that buzzes, an encoder of AU."""

from __future__ import annotations

__all__: list[str] = []
