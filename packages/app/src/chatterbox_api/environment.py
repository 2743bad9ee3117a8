"""Reads the environment and `.env` as one mapping, and checks the names in it.

A misspelled setting would otherwise be ignored silently. A name with a prefix of this program, or within two letters of
a declared name, stops the start. Other names in `.env` may belong to other programs; one warning lists them.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from chatterbox_api import settings
from chatterbox_api.env_file import read_env_file
from chatterbox_api_core.errors import ConfigurationError, PluginError
from chatterbox_api_core.plugins import GROUPS, installed, load
from chatterbox_api_core.settings import Setting

__all__ = ["check_all", "declared_settings", "read_environment"]

_log = logging.getLogger(__name__)

_OWN_PREFIX: Final = "CHATTERBOX_"
_KUBERNETES_LINK = re.compile(
    r".+_(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=\d+|PORT=(tcp|udp)://.*|PORT_\d+_(TCP|UDP)(_\w+)?=.*)"
)
"""Kubernetes describes each service of a namespace in the environment: CHATTERBOX_API_PORT=tcp://10.0.0.1:80."""
_SHORT: Final = 6
"""Names shorter than this are near to too much: HOME is two letters from HOST."""


def read_environment(env_file: Path | None = None) -> dict[str, str]:
    """The process's environment over the file's values. Raises ConfigurationError.

    Args:
        env_file: `.env` of the working folder when None, where there is one.
    """
    path = Path(".env") if env_file is None else env_file
    if env_file is not None and (not path.exists() or path.is_dir()):
        raise ConfigurationError(f"There is no file {path}.", field="--env-file", remedy="Name a file of settings.")
    declared = declared_settings()
    from_file = read_env_file(path, declared=declared) if env_file is not None or _is_settings_file(path) else {}
    _check_names(from_file, os.environ, file=path, declared={setting.name for setting in declared})
    return {**from_file, **os.environ}


def declared_settings() -> tuple[Setting[Any], ...]:
    """Every setting that this installation reads, the application's first.

    Plug-in modules are light by contract, so all of them are loaded; a broken one is reported where it is used.
    """
    found = {setting.name: setting for setting in settings.ALL}
    for group in GROUPS:
        for entry in installed(group):
            try:
                plugin = load(group, entry.name)
            except PluginError:
                continue
            for setting in plugin.settings:
                found.setdefault(setting.name, setting)
    return tuple(found.values())


def check_all(env: Mapping[str, str]) -> None:
    """Read every declared setting once, so that wrong values stop the start. Raises ConfigurationError."""
    wrong: list[ConfigurationError] = []
    for setting in declared_settings():
        try:
            setting.read(env)
        except ConfigurationError as error:
            wrong.append(error)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise ConfigurationError("\n".join(["Several settings are wrong.", *map(str, wrong)]), field=wrong[0].field)


def _is_settings_file(path: Path) -> bool:
    """Whether `.env` is a file of settings. A link that leads nowhere is: without it, settings would be missing."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _check_names(
    from_file: Mapping[str, str], environment: Mapping[str, str], *, file: Path, declared: set[str]
) -> None:
    prefixes = (_OWN_PREFIX, *_plugin_prefixes(declared))
    for name, value in [*from_file.items(), *environment.items()]:
        if name in declared or _KUBERNETES_LINK.fullmatch(f"{name}={value}"):
            continue
        spelled = name.upper() if name in from_file else name  # `port` in the environment may be anyone's
        near = next((known for known in sorted(declared) if spelled == known or _is_near(spelled, known)), None)
        if near is None and not spelled.startswith(prefixes):
            continue
        raise ConfigurationError(
            f"There is no setting {name}.",
            code="unknown_setting",
            field=name,
            remedy=f"Did you mean {near}?" if near else "Remove it, or see `chatterbox-api serve --help`.",
        )
    foreign = sorted(name for name in from_file if name not in declared)
    if foreign:
        _log.warning("%s has names that nobody here reads: %s", file, ", ".join(foreign))


def _plugin_prefixes(declared: Iterable[str]) -> set[str]:
    """`ESPEAK_` for the plug-in `espeak` that declares such settings."""
    names = {entry.name.upper().replace("-", "_") + "_" for group in GROUPS for entry in installed(group)}
    return {prefix for prefix in names if any(setting.startswith(prefix) for setting in declared)}


def _is_near(name: str, known: str) -> bool:
    allowed = 2 if min(len(name), len(known)) >= _SHORT else 1
    return abs(len(name) - len(known)) <= allowed and _edits(name, known) <= allowed


def _edits(a: str, b: str) -> int:
    """Levenshtein's distance: letters to insert, drop or exchange."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]
