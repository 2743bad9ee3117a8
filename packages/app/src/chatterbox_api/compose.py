"""The composition root: settings in, use cases out. The one place that knows how the parts fit together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chatterbox_api import settings
from chatterbox_api_core.admission import Admission
from chatterbox_api_core.caching import ClipCache
from chatterbox_api_core.errors import ConfigurationError, InvalidAudio, PluginError
from chatterbox_api_core.model import ClipLimits
from chatterbox_api_core.plugins import (
    CLIP_CACHES,
    CLIP_READERS,
    ENCODERS,
    SYNTHESIZERS,
    VOICE_STORES,
    Absent,
    Incomplete,
    Plugin,
    installed,
    load,
)
from chatterbox_api_core.ports import ClipReader, Encoder, Synthesizer, VoiceStore
from chatterbox_api_core.resolution import VoiceResolver
from chatterbox_api_core.settings import Setting
from chatterbox_api_core.speech import Pauses, SpeechLimits, SpeechService
from chatterbox_api_core.voices import VoiceLibrary

__all__ = ["AUTO", "Library", "Service", "chosen", "compose", "compose_library", "open_store"]

_log = logging.getLogger(__name__)

AUTO: Final[Mapping[str, tuple[str, ...]]] = {
    VOICE_STORES: ("r2", "local", "memory"),
    SYNTHESIZERS: ("chatterbox", "espeak"),
    ENCODERS: ("pyav", "soundfile", "wav"),
    CLIP_READERS: ("pyav", "wav"),
    CLIP_CACHES: ("memory", "none"),
}
"""What `auto` tries, in this order. Adapters of third parties are chosen by name."""


@dataclass(frozen=True, slots=True)
class Service:
    """The use cases, and the names of the adapters behind them."""

    speech: SpeechService
    voices: VoiceLibrary
    store_name: str


@dataclass(frozen=True, slots=True)
class Library:
    """The voice library, the name of the store behind it, and what reads its clips."""

    voices: VoiceLibrary
    store_name: str
    clip_reader: ClipReader
    limits: ClipLimits


@asynccontextmanager
async def compose(env: Mapping[str, str], *, max_chars: int | None = None) -> AsyncGenerator[Service, None]:
    """Open the configured adapters for as long as the context lasts. Raises ConfigurationError.

    Args:
        max_chars: instead of MAX_INPUT_CHARS.
    """
    async with AsyncExitStack() as stack:
        encoders: list[Encoder] = [await _opened(stack, ENCODERS, name, env) for name in chosen(ENCODERS, env)]
        library = await stack.enter_async_context(compose_library(env))
        engine = chosen(SYNTHESIZERS, env)[0]
        synthesizer: Synthesizer = await _opened(stack, SYNTHESIZERS, engine, env)
        yield Service(
            speech=SpeechService(
                engine=engine,
                synthesizer=synthesizer,
                encoders=encoders,
                voices=VoiceResolver(
                    library=library.voices,
                    clip_reader=library.clip_reader,
                    limits=library.limits,
                    sample=await asyncio.to_thread(_sample, env, library.clip_reader, library.limits),
                ),
                admission=Admission(
                    slots=synthesizer.capabilities.concurrent,
                    queue=settings.QUEUE_MAX.read(env),
                    wait_s=settings.QUEUE_WAIT_S.read(env),
                ),
                pauses=Pauses(
                    settings.SENTENCE_PAUSE_MS.read(env) / 1000, settings.PARAGRAPH_PAUSE_MS.read(env) / 1000
                ),
                limits=SpeechLimits(
                    max_chars=max_chars or settings.MAX_INPUT_CHARS.read(env),
                    engine_wait_s=settings.ENGINE_WAIT_S.read(env),
                ),
            ),
            voices=library.voices,
            store_name=library.store_name,
        )


@asynccontextmanager
async def compose_library(env: Mapping[str, str]) -> AsyncGenerator[Library, None]:
    """Open what the voice library needs, and no engine. Raises ConfigurationError."""
    async with AsyncExitStack() as stack:
        clip_reader: ClipReader = await _opened(stack, CLIP_READERS, chosen(CLIP_READERS, env)[0], env)
        store_name = chosen(VOICE_STORES, env)[0]
        store: VoiceStore = await _opened(stack, VOICE_STORES, store_name, env)
        clips = ClipCache(await _opened(stack, CLIP_CACHES, chosen(CLIP_CACHES, env)[0], env))
        limits = ClipLimits()
        voices = VoiceLibrary(store=store, clip_reader=clip_reader, clips=clips, limits=limits)
        yield Library(voices, store_name, clip_reader, limits)


@asynccontextmanager
async def open_store(name: str, env: Mapping[str, str]) -> AsyncGenerator[VoiceStore, None]:
    """Open one voice store by its name, whatever VOICE_STORE says. Raises ConfigurationError."""
    reason = _not_set_up(load(VOICE_STORES, name), env)
    if reason:
        raise ConfigurationError(f"The voice store '{name}' cannot be used: {reason}.")
    async with AsyncExitStack() as stack:
        store: VoiceStore = await _opened(stack, VOICE_STORES, name, env)
        yield store


async def _opened(stack: AsyncExitStack, group: str, name: str, env: Mapping[str, str]) -> Any:
    try:
        return await stack.enter_async_context(load(group, name).open(env))
    except ImportError as error:
        raise PluginError(
            f"The adapter '{name}' cannot be opened: {error}.",
            code="plugin_broken",
            remedy="Reinstall the package that brings it, or choose another.",
        ) from error


def chosen(group: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the adapters that the settings choose in a group: one, or several encoders.

    Raises:
        ConfigurationError: nothing can be chosen, or what is chosen is not set up.
    """
    by_group: dict[str, Setting[Any]] = {
        VOICE_STORES: settings.VOICE_STORE,
        SYNTHESIZERS: settings.SYNTHESIZER,
        ENCODERS: settings.ENCODERS,
        CLIP_READERS: settings.CLIP_READER,
        CLIP_CACHES: settings.CLIP_CACHE,
    }
    setting = by_group[group]
    value = setting.read(env)
    names = value if isinstance(value, tuple) else (value,)
    if names != ("auto",):
        if not names:
            raise ConfigurationError(f"{setting.name} names nothing.", field=setting.name, remedy="Name one, or auto.")
        for name in names:
            reason = _not_set_up(load(group, name), env)
            if reason:
                raise ConfigurationError(f"{setting.name}={name} cannot be used: {reason}.", field=setting.name)
        return names
    present = {entry.name for entry in installed(group)}
    usable: list[str] = []
    for name in AUTO[group]:
        if name in present and _passes(group, name, env):
            usable.append(name)
            if group != ENCODERS:
                break
    if not usable:
        raise ConfigurationError(
            f"None of {', '.join(AUTO[group])} is installed and set up.",
            field=setting.name,
            remedy=f"Install one, or name another in {setting.name}.",
        )
    return tuple(usable)


def _passes(group: str, name: str, env: Mapping[str, str]) -> bool:
    plugin = load(group, name)
    state = plugin.state(env)
    if isinstance(state, Incomplete):
        raise ConfigurationError(
            f"'{name}' is half set up: {_not_set_up(plugin, env)}.",
            field=state.missing[0],
            remedy="Set what is missing, or remove the rest.",
        )
    if isinstance(state, Absent):
        level = logging.INFO if group == VOICE_STORES else logging.DEBUG
        _log.log(level, "%s is passed by: %s", name, state.reason)
        return False
    return True


def _not_set_up(plugin: Plugin[Any], env: Mapping[str, str]) -> str | None:
    state = plugin.state(env)
    if isinstance(state, Absent):
        return state.reason
    return f"{', '.join(state.missing)} is missing" if isinstance(state, Incomplete) else None


def _sample(env: Mapping[str, str], clip_reader: ClipReader, limits: ClipLimits) -> bytes | None:
    path = settings.VOICE_SAMPLE_PATH.read(env)
    if not path:
        return None
    try:
        data = Path(path).read_bytes()
        clip_reader.read(data, limits=limits)
    except (OSError, InvalidAudio) as error:
        raise ConfigurationError(
            f"VOICE_SAMPLE_PATH={path} cannot be used: {getattr(error, 'strerror', None) or error}",
            field="VOICE_SAMPLE_PATH",
            remedy="Name a recording, or remove it.",
        ) from error
    return data
