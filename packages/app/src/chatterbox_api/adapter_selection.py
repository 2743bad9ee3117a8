"""Selects adapters by the settings: by name, or by `auto`, which tries those it knows in a fixed order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from chatterbox_api import settings
from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.plugins import (
    CLIP_CACHES,
    CLIP_READERS,
    ENCODERS,
    SYNTHESIZERS,
    VOICE_STORES,
    WATERMARK_DETECTORS,
    Absent,
    Incomplete,
    OnRequest,
    Plugin,
    installed,
    installed_name,
    load,
)
from chatterbox_api_core.settings import Setting

__all__ = ["AUTO_ORDER", "select_adapters", "unusable_reason"]

_log = logging.getLogger(__name__)

AUTO_ORDER: Final[Mapping[str, tuple[str, ...]]] = {
    VOICE_STORES: ("r2", "local", "memory"),
    SYNTHESIZERS: ("chatterbox", "espeak"),
    ENCODERS: ("pyav", "soundfile", "wav"),
    CLIP_READERS: ("pyav", "wav"),
    CLIP_CACHES: ("memory", "none"),
    WATERMARK_DETECTORS: ("perth",),
}
"""The adapters that `auto` tries, in this order. Others are selected by name: `ENCODERS=auto, theirs`."""

_SETTINGS: Final[Mapping[str, Setting[Any]]] = {
    VOICE_STORES: settings.VOICE_STORE,
    SYNTHESIZERS: settings.SYNTHESIZER,
    ENCODERS: settings.ENCODERS,
    CLIP_READERS: settings.CLIP_READER,
    CLIP_CACHES: settings.CLIP_CACHE,
    WATERMARK_DETECTORS: settings.WATERMARK_DETECTOR,
}
_LOGGED: Final = (VOICE_STORES, SYNTHESIZERS)
"""The groups of which the log says why `auto` did not select an adapter."""


def select_adapters(group: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the adapters that the settings select in a group: one, or several encoders in their order.

    Args:
        group: one of `chatterbox_api_core.plugins.GROUPS`.

    Raises:
        ConfigurationError: `nothing_set_up` where `auto` finds none, or a named adapter cannot be used.
    """
    setting = _SETTINGS[group]
    value = setting.read(env)
    if not value:
        raise ConfigurationError(f"{setting.name} names nothing.", field=setting.name, remedy="Name one, or auto.")
    names: list[str] = []
    for word in value if isinstance(value, tuple) else (value,):
        if word == "auto":
            names.extend(_select_automatically(group, env))
            continue
        name = installed_name(group, word)
        reason = unusable_reason(load(group, name), env)
        if reason:
            raise ConfigurationError(f"{setting.name}={name} cannot be used: {reason}.", field=setting.name)
        names.append(name)
    return tuple(dict.fromkeys(names))


def unusable_reason(plugin: Plugin[Any], env: Mapping[str, str]) -> str | None:
    """Why an adapter cannot be used even by name; None where it can."""
    state = plugin.state(env)
    if isinstance(state, Absent):
        return state.reason
    return _missing(state) if isinstance(state, Incomplete) else None


def _select_automatically(group: str, env: Mapping[str, str]) -> tuple[str, ...]:
    present = {entry.name for entry in installed(group)}
    usable: list[str] = []
    reasons: list[str] = []
    for name in AUTO_ORDER[group]:
        reason = _skip_reason(group, name, env) if name in present else "not installed"
        if reason is None:
            usable.append(name)
            if group != ENCODERS:
                break
        else:
            reasons.append(f"{name}: {reason}")
    if not usable:
        setting = _SETTINGS[group]
        raise ConfigurationError(
            f"{setting.name}=auto finds nothing that is installed and set up ({'; '.join(reasons)}).",
            code="nothing_set_up",
            field=setting.name,
            remedy=f"Install one, or name another in {setting.name}.",
        )
    return tuple(usable)


def _skip_reason(group: str, name: str, env: Mapping[str, str]) -> str | None:
    """Why `auto` skips an adapter; None where it selects it. Raises ConfigurationError for one half set up."""
    plugin = load(group, name)
    state = plugin.state(env)
    if isinstance(state, Incomplete):
        names = {setting.name for setting in plugin.settings}
        raise ConfigurationError(
            f"'{name}' is half set up: {_missing(state)}.",
            field=next((part for part in state.missing if part in names), None),
            remedy="Set what is missing, or remove the rest."
            if names.issuperset(state.missing)
            else "Put what is missing there, or remove the settings that ask for it.",
        )
    if isinstance(state, Absent | OnRequest):
        _log.log(logging.INFO if group in _LOGGED else logging.DEBUG, "%s is passed by: %s", name, state.reason)
        return state.reason
    return None


def _missing(state: Incomplete) -> str:
    return f"{', '.join(state.missing)} {'is' if len(state.missing) == 1 else 'are'} missing"
