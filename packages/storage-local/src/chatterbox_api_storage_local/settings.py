"""The settings of this package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chatterbox_api_core.settings import DATA_DIR, Setting, path

__all__ = ["ALL", "VOICE_LIBRARY_DIR", "voice_folder"]

VOICE_LIBRARY_DIR: Final = Setting(
    "VOICE_LIBRARY_DIR", "", "Where voices are kept on disk; the folder voices in DATA_DIR when empty.", path
)

ALL: Final[tuple[Setting[Any], ...]] = (DATA_DIR, VOICE_LIBRARY_DIR)


def voice_folder(env: Mapping[str, str]) -> Path:
    """The folder that the settings name; it need not exist yet.

    Raises:
        ConfigurationError: a setting is no path.
    """
    from platformdirs import user_data_path

    if configured := VOICE_LIBRARY_DIR.read(env):
        return configured
    return (DATA_DIR.read(env) or user_data_path("chatterbox-api", appauthor=False)) / "voices"
