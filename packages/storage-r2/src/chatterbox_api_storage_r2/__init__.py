"""Voices in Cloudflare R2 or any S3: shared by several servers, mirrored locally."""

from __future__ import annotations

__all__: list[str] = []
