"""The settings of this package."""

from __future__ import annotations

from typing import Any, Final

from chatterbox_api_core.settings import Setting, integer, path

__all__ = ["ALL", "DATA_PATH", "LANGUAGE", "PROCESSES"]

PROCESSES: Final = Setting(
    "ESPEAK_PROCESSES", "4", "Child processes that speak, each one request at a time.", integer(1, 64)
)
LANGUAGE: Final = Setting("ESPEAK_LANGUAGE", "en-us", "The language of requests that name none.", str)
DATA_PATH: Final = Setting(
    "ESPEAK_DATA_PATH", "", "The folder that holds espeak-ng-data; empty for the one that is installed along.", path
)

ALL: Final[tuple[Setting[Any], ...]] = (PROCESSES, LANGUAGE, DATA_PATH)
