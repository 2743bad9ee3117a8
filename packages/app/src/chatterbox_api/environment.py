"""The environment and `.env` as one mapping, with a check for names that nobody reads.

A misspelled setting would otherwise be a wish that is silently ignored. Within our own prefixes, or two letters
from a declared name, it stops the start. Other names in `.env` may belong to someone else: they warn once.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from chatterbox_api import settings
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
    if env_file is not None and not path.is_file():
        raise ConfigurationError(f"There is no file {path}.", field="--env-file")
    try:
        from_file = {name: value or "" for name, value in dotenv_values(path).items()} if path.is_file() else {}
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8.", remedy="Save it as UTF-8.") from None
    _check_names(from_file, os.environ, file=path)
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


def _check_names(from_file: Mapping[str, str], environment: Mapping[str, str], *, file: Path) -> None:
    declared = {setting.name for setting in declared_settings()}
    prefixes = (_OWN_PREFIX, *_plugin_prefixes(declared))
    for name, value in [*from_file.items(), *environment.items()]:
        if name in declared or _KUBERNETES_LINK.fullmatch(f"{name}={value}"):
            continue
        near = next((known for known in sorted(declared) if _is_near(name, known)), None)
        if near is None and not name.startswith(prefixes):
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
