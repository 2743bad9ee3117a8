"""The settings of this package."""

from __future__ import annotations

from typing import Any, Final

from chatterbox_api_core.settings import Setting, integer, number

__all__ = ["ALL", "IDLE_S", "MAX_BYTES"]

MAX_BYTES: Final = Setting("CLIP_CACHE_BYTES", str(256 * 2**20), "Clips kept in memory, in bytes.", integer(0, 2**40))
IDLE_S: Final = Setting(
    "CLIP_CACHE_IDLE_S", "3600", "Seconds without access after which a clip is forgotten.", number(1, 10**7)
)

ALL: Final[tuple[Setting[Any], ...]] = (MAX_BYTES, IDLE_S)
