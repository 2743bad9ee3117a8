"""Child processes that do jobs: `supervisor` and `pool` are the parent's side, `serving` is the worker's."""

from __future__ import annotations

__all__: list[str] = []
