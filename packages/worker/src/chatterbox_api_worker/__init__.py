"""Child processes that do jobs: see `supervisor` and `pool` for the parent's side, `serving` for the child's."""

from __future__ import annotations

__all__: list[str] = []
