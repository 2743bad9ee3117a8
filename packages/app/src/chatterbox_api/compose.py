"""The composition root: settings in, use cases out. The one place that knows how the parts fit together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from chatterbox_api import settings
from chatterbox_api.adapter_selection import select_adapters, unusable_reason
from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, InvalidAudio, PluginError
from chatterbox_api_core.plugins import (
    CLIP_CACHES,
    CLIP_READERS,
    ENCODERS,
    SYNTHESIZERS,
    VOICE_STORES,
    WATERMARK_DETECTORS,
    load,
)
from chatterbox_api_core.ports import ClipReader, Encoder, Synthesizer, VoiceStore, WatermarkDetector
from chatterbox_api_core.speech import Pauses, SpeechLimits, SpeechService
from chatterbox_api_core.speech.request_queue import RequestQueue
from chatterbox_api_core.speech.spool import SpoolBudget
from chatterbox_api_core.types import Clip, ClipLimits
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.clip_cache import ClipCache
from chatterbox_api_core.voices.clip_decoder import ClipDecoder
from chatterbox_api_core.voices.voice_resolver import VoiceResolver
from chatterbox_api_core.watermarks import Watermarks

__all__ = [
    "ComposedLibrary",
    "Service",
    "compose",
    "compose_library",
    "compose_watermarks",
    "open_store",
    "speech_limits",
]

_log = logging.getLogger(__name__)

_OPEN_S: Final = 60.0
"""The longest that an adapter may take to open: it starts processes and looks at folders, and loads no weights."""
_NOTICE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Service:
    """The use cases, and the names of the adapters behind them.

    Attributes:
        watermarks: None where no detector is set up.
    """

    speech: SpeechService
    voices: VoiceLibrary
    store_name: str
    watermarks: Watermarks | None


@dataclass(frozen=True, slots=True)
class ComposedLibrary:
    """The voice library, the name of the store behind it, and what reads its clips."""

    voices: VoiceLibrary
    store_name: str
    clip_reader: ClipReader


@asynccontextmanager
async def compose(
    env: Mapping[str, str], *, limits: SpeechLimits | None = None, clip_reader_on_demand: bool = False
) -> AsyncGenerator[Service, None]:
    """Open the configured adapters for as long as the context lasts. Raises ConfigurationError.

    Args:
        limits: of a request, instead of those of the settings.
        clip_reader_on_demand: see `compose_library`.
    """
    async with AsyncExitStack() as stack:
        names = select_adapters(ENCODERS, env)
        encoders: list[Encoder] = [await _open_adapter(stack, ENCODERS, name, env) for name in names]
        engine = select_adapters(SYNTHESIZERS, env)[0]
        synthesizer: Synthesizer = await _open_adapter(stack, SYNTHESIZERS, engine, env)
        languages = tuple(language.tag for language in synthesizer.capabilities.languages)
        library = await stack.enter_async_context(
            compose_library(env, languages=languages, clip_reader_on_demand=clip_reader_on_demand)
        )
        yield Service(
            speech=SpeechService(
                engine=engine,
                synthesizer=synthesizer,
                encoders=encoders,
                voices=VoiceResolver(
                    library.voices,
                    sample=await _sample(env, library.voices.decoder),
                ),
                queue=RequestQueue(
                    slots=synthesizer.capabilities.max_concurrency,
                    max_waiting=settings.QUEUE_MAX.read(env),
                    wait_s=settings.QUEUE_WAIT_S.read(env),
                ),
                pauses=Pauses(
                    settings.SENTENCE_PAUSE_MS.read(env) / 1000, settings.PARAGRAPH_PAUSE_MS.read(env) / 1000
                ),
                limits=limits or speech_limits(env),
                spool_budget=SpoolBudget(
                    memory_bytes=settings.SPOOL_MEMORY_MB.read(env) * 2**20,
                    disk_bytes=settings.SPOOL_DISK_MB.read(env) * 2**20,
                    directory=str(settings.SPOOL_DIR.read(env) or "") or None,
                ),
            ),
            voices=library.voices,
            store_name=library.store_name,
            watermarks=await _watermarks(stack, env, library.clip_reader),
        )


def speech_limits(env: Mapping[str, str]) -> SpeechLimits:
    """The bounds of one request, as the settings say."""
    return SpeechLimits(
        max_chars=settings.MAX_INPUT_CHARS.read(env),
        max_audio_s=settings.MAX_AUDIO_S.read(env),
        engine_wait_s=settings.ENGINE_WAIT_S.read(env),
    )


@asynccontextmanager
async def compose_library(
    env: Mapping[str, str], *, languages: Iterable[str] = (), clip_reader_on_demand: bool = False
) -> AsyncGenerator[ComposedLibrary, None]:
    """Open what the voice library needs, and no engine. Raises ConfigurationError.

    Args:
        languages: tags that a voice may have besides those of the registry: the engine's.
        clip_reader_on_demand: open the clip reader with the first clip. A service has it ready; most commands read no
            clip, and its processes take longer to start than their work.
    """
    async with AsyncExitStack() as stack:
        reader_name = select_adapters(CLIP_READERS, env)[0]
        clip_reader: ClipReader = (
            _ClipReaderOnDemand(lambda: _open_adapter(stack, CLIP_READERS, reader_name, env))
            if clip_reader_on_demand
            else await _open_adapter(stack, CLIP_READERS, reader_name, env)
        )
        store_name = select_adapters(VOICE_STORES, env)[0]
        store: VoiceStore = await _open_adapter(stack, VOICE_STORES, store_name, env)
        clips = ClipCache(await _open_adapter(stack, CLIP_CACHES, select_adapters(CLIP_CACHES, env)[0], env))
        voices = VoiceLibrary(store=store, clip_reader=clip_reader, clips=clips, languages=languages)
        yield ComposedLibrary(voices, store_name, clip_reader)


@asynccontextmanager
async def compose_watermarks(env: Mapping[str, str]) -> AsyncGenerator[Watermarks, None]:
    """Open what finds watermarks, and neither library nor engine. Raises ConfigurationError where nothing does."""
    name = _detector(env)
    if name is None:
        raise ConfigurationError(
            "Watermark detection is turned off: WATERMARK_DETECTOR=none.",
            field="WATERMARK_DETECTOR",
            remedy="Remove it.",
        )
    async with AsyncExitStack() as stack:
        clip_reader: ClipReader = await _open_adapter(stack, CLIP_READERS, select_adapters(CLIP_READERS, env)[0], env)
        detector: WatermarkDetector = await _open_adapter(stack, WATERMARK_DETECTORS, name, env)
        yield Watermarks(detector=detector, clip_reader=clip_reader)


@asynccontextmanager
async def open_store(name: str, env: Mapping[str, str]) -> AsyncGenerator[VoiceStore, None]:
    """Open one voice store by its name, whatever VOICE_STORE says. Raises ConfigurationError."""
    reason = unusable_reason(load(VOICE_STORES, name), env)
    if reason:
        raise ConfigurationError(f"The voice store '{name}' cannot be used: {reason}.")
    async with AsyncExitStack() as stack:
        store: VoiceStore = await _open_adapter(stack, VOICE_STORES, name, env)
        yield store


class _ClipReaderOnDemand:
    """A ClipReader that is opened for the first clip."""

    def __init__(self, open_reader: Callable[[], Awaitable[ClipReader]]) -> None:
        self._open_reader = open_reader
        self._reader: ClipReader | None = None
        self._opening = asyncio.Lock()

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        async with self._opening:
            if self._reader is None:
                self._reader = await self._open_reader()
        return await self._reader.read(data, limits=limits)


async def _watermarks(stack: AsyncExitStack, env: Mapping[str, str], clip_reader: ClipReader) -> Watermarks | None:
    """None where no detector is wanted, and where `auto` finds none: a service speaks without."""
    try:
        name = _detector(env)
    except ConfigurationError as error:
        if error.code != "nothing_set_up":
            raise
        return None
    if name is None:
        return None
    detector: WatermarkDetector = await _open_adapter(stack, WATERMARK_DETECTORS, name, env)
    return Watermarks(detector=detector, clip_reader=clip_reader)


def _detector(env: Mapping[str, str]) -> str | None:
    """The name of the detector of watermarks; None for `none`. Raises ConfigurationError."""
    return None if settings.WATERMARK_DETECTOR.read(env) == "none" else select_adapters(WATERMARK_DETECTORS, env)[0]


async def _open_adapter(stack: AsyncExitStack, group: str, name: str, env: Mapping[str, str]) -> Any:
    """Open an adapter, within its time. What is no error of core's becomes one. Raises ChatterboxError."""
    deadline = asyncio.timeout(_OPEN_S)
    notice = asyncio.get_running_loop().call_later(
        _NOTICE_S, _log.info, "opening '%s' takes more than %g s", name, _NOTICE_S
    )
    try:
        async with deadline:
            return await stack.enter_async_context(load(group, name).open(env))
    except ChatterboxError:
        raise
    except Exception as error:
        late = isinstance(error, TimeoutError) and deadline.expired()
        reason = f"it took more than {_OPEN_S:g} s" if late else f"{type(error).__name__}: {error}"
        raise PluginError(
            f"The adapter '{name}' cannot be opened: {reason}.",
            code="plugin_broken",
            remedy="Reinstall the package that brings it, or choose another.",
        ) from error
    finally:
        notice.cancel()


async def _sample(env: Mapping[str, str], decoder: ClipDecoder) -> bytes | None:
    path = settings.VOICE_SAMPLE_PATH.read(env)
    if path is None:
        return None
    try:
        data = await asyncio.to_thread(path.read_bytes)
        await decoder.read(data)
    except (OSError, InvalidAudio) as error:
        reason = f"{error.strerror}." if isinstance(error, OSError) else error.message
        raise ConfigurationError(
            f"VOICE_SAMPLE_PATH={path} cannot be used: {reason}",
            field="VOICE_SAMPLE_PATH",
            remedy="Name a recording, or remove it.",
        ) from error
    return data
