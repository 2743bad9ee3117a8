"""Adapters by name: entry points are looked up, and only the adapter that is selected is loaded.

The module of an adapter has a module-level `Plugin`, and its package names it in one of the six groups:

    [project.entry-points."chatterbox_api.voice_stores"]
    r2 = "chatterbox_api_storage_r2.plugin:plugin"
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from chatterbox_api_core.errors import PluginError
from chatterbox_api_core.settings import Setting

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

__all__ = [
    "CLIP_CACHES",
    "CLIP_READERS",
    "ENCODERS",
    "GROUPS",
    "SYNTHESIZERS",
    "VOICE_STORES",
    "WATERMARK_DETECTORS",
    "Absent",
    "Incomplete",
    "OnRequest",
    "Plugin",
    "Ready",
    "State",
    "installed",
    "installed_name",
    "load",
]

VOICE_STORES: Final = "chatterbox_api.voice_stores"
"""Its port is VoiceStore."""
SYNTHESIZERS: Final = "chatterbox_api.synthesizers"
"""Its port is Synthesizer."""
ENCODERS: Final = "chatterbox_api.encoders"
"""Its port is Encoder."""
CLIP_READERS: Final = "chatterbox_api.clip_readers"
"""Its port is ClipReader."""
CLIP_CACHES: Final = "chatterbox_api.clip_caches"
"""Its port is MutableMapping[str, bytes], used on the event loop; see `voices.clip_cache`."""
WATERMARK_DETECTORS: Final = "chatterbox_api.watermark_detectors"
"""Its port is WatermarkDetector."""
GROUPS: Final = (VOICE_STORES, SYNTHESIZERS, ENCODERS, CLIP_READERS, CLIP_CACHES, WATERMARK_DETECTORS)
"""All groups of entry points."""

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Absent:
    """Not set up, and no setting says that it should be: `auto` passes over it.

    Attributes:
        reason: what is missing, as the end of a sentence.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Set up as far as settings tell; opening it may still fail."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Set up in part: the start stops and names what is missing.

    Attributes:
        missing: the names of the settings that have no value.
    """

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnRequest:
    """Works when it is selected by its name, at a cost for which `auto` passes over it.

    Attributes:
        reason: the cost, as the end of a sentence.
    """

    reason: str


State: TypeAlias = Absent | OnRequest | Ready | Incomplete
"""Whether the settings set an adapter up."""


@dataclass(frozen=True)
class Plugin(Generic[T_co]):
    """What an entry point names. Its module imports no heavy library before `open`.

    Attributes:
        settings: all it reads; nothing else of the environment may matter to it.
        state: whether these settings set it up; quick, touches no network.
        open: builds the adapter for as long as the context lasts; may raise any ChatterboxError, most often
            ConfigurationError.
    """

    settings: tuple[Setting[Any], ...]
    state: Callable[[Mapping[str, str]], State]
    open: Callable[[Mapping[str, str]], AbstractAsyncContextManager[T_co]]


def installed(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group, in order of their names. None of them is loaded."""
    select = _selector(tuple(_as_it_is(folder) for folder in sys.path))
    return tuple(sorted(select(group=group), key=lambda entry: entry.name))


@lru_cache(maxsize=1)  # a start asks dozens of times, and each look reads a file of every installed distribution
def _selector(folders: tuple[tuple[str, int], ...]) -> Callable[..., EntryPoints]:
    """Selects among all that is installed in these folders."""
    from importlib.metadata import entry_points

    return entry_points().select


def _as_it_is(folder: str) -> tuple[str, int]:
    """A folder of Python's path, and when something was last put there or taken away; 0 where there is none."""
    try:
        return folder, Path(folder).stat().st_mtime_ns
    except OSError:
        return folder, 0


def installed_name(group: str, name: str) -> str:
    """The name of an adapter, in any case, as its package spells it; unchanged where the group has no such name."""
    names = [entry.name for entry in installed(group)]
    if name in names:
        return name
    return next((spelled for spelled in names if spelled.lower() == name.lower()), name)


def load(group: str, name: str) -> Plugin[Any]:
    """The plug-in of this name, spelled as `installed_name` gives it.

    Raises:
        PluginError: `plugin_missing`, no package brings it; `plugin_ambiguous`, two do; `plugin_broken`, it cannot be
            loaded.
    """
    candidates = [entry for entry in installed(group) if entry.name == name]
    if not candidates:
        raise _missing(group, name)
    if len({entry.value for entry in candidates}) > 1:
        dists = " and ".join(sorted(_distribution(entry) for entry in candidates))
        raise PluginError(
            f"Two adapters are called '{name}' in {group}: from {dists}.",
            code="plugin_ambiguous",
            remedy="Uninstall one of them.",
        )
    try:
        plugin = candidates[0].load()
    except Exception as error:
        raise PluginError(
            f"The adapter '{name}' of {_distribution(candidates[0])} cannot be loaded: "
            f"{type(error).__name__}: {error}.",
            code="plugin_broken",
            remedy="Reinstall it, or choose another.",
        ) from error
    if not isinstance(plugin, Plugin):
        raise PluginError(
            f"{candidates[0].value} of {_distribution(candidates[0])} is not a Plugin.", code="plugin_broken"
        )
    return plugin


def _missing(group: str, name: str) -> PluginError:
    names = ", ".join(_unique(entry.name for entry in installed(group))) or "none"
    return PluginError(
        f"No adapter '{name}' is installed in {group}; installed: {names}.",
        code="plugin_missing",
        remedy=f"Choose one of those, or install the package that brings '{name}'.",
    )


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
