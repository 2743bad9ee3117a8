"""What clients read before they speak: models, languages, health and readiness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from litestar import route
from litestar.di import NamedDependency
from litestar.params import FromPath

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.speech import SpeechService
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.routes import READ
from chatterbox_api_http_litestar.schemas import (
    AudioModelList,
    HealthView,
    LanguageList,
    LanguageView,
    ModelList,
    ModelView,
    PingView,
    ReadyView,
    RequestCounts,
)

__all__ = [
    "DrainCheck",
    "get_model",
    "health",
    "list_audio_models",
    "list_languages",
    "list_models",
    "models_of",
    "ping",
    "ready",
]

DrainCheck: TypeAlias = Callable[[], bool]
"""Says whether the server is about to stop."""

_READY_S: Final = 2.0
_MODEL_ALIASES: Final = ("chatterbox-tts-1", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Models that clients name out of habit; each stands for the engine of this service."""


def models_of(speech: SpeechService, *, started: int) -> list[ModelView]:
    """The names of the engine, its own first.

    Args:
        started: when the service was, in seconds since the epoch.
    """
    parameters = speech.capabilities.parameters
    names = dict.fromkeys((speech.engine, *_MODEL_ALIASES))
    return [ModelView(id=name, created=started, parameters=parameters) for name in names]


@route("/models", http_method=READ)
async def list_models(models: NamedDependency[list[ModelView]]) -> ModelList:
    """The models, as OpenAI's API lists them."""
    return ModelList(data=models)


@route("/audio/models", http_method=READ)
async def list_audio_models(models: NamedDependency[list[ModelView]]) -> AudioModelList:
    """The models, as clients for speech list them."""
    return AudioModelList(models=models)


@route("/models/{model:str}", http_method=READ)
async def get_model(model: FromPath[str], models: NamedDependency[list[ModelView]]) -> ModelView:
    """Show one model."""
    for known in models:
        if known.id == model:
            return known
    raise RequestError(404, "model_not_found", f"There is no model {model[:64]!r} here.", "model")


@route("/languages", http_method=READ)
async def list_languages(speech: NamedDependency[SpeechService]) -> LanguageList:
    """The languages of the engine."""
    languages = [LanguageView(code=known.tag, name=known.name) for known in speech.capabilities.languages]
    return LanguageList(languages=languages, count=len(languages), model_type=speech.engine)


@route("/health", http_method=READ)
async def health(speech: NamedDependency[SpeechService], version: NamedDependency[str]) -> HealthView:
    """Alive, whether or not it can speak right now."""
    return HealthView(
        status="healthy",
        version=version,
        engine=speech.engine,
        clones=speech.capabilities.supports_cloning,
        formats=[offered.name for offered in speech.formats],
        requests=RequestCounts(running=speech.queue.running, waiting=speech.queue.waiting),
    )


@route("/ping", http_method=READ)
async def ping() -> PingView:
    """Alive."""
    return PingView()


@route("/ready", http_method=READ)
async def ready(
    speech: NamedDependency[SpeechService],
    voices: NamedDependency[VoiceLibrary],
    is_draining: NamedDependency[DrainCheck],
) -> ReadyView:
    """Able to speak; 503 with the cause while it is not, and before the server stops."""
    if is_draining():
        raise Unavailable("The server is about to stop.", code="draining")
    try:
        async with asyncio.timeout(_READY_S):
            await speech.ready()
            await voices.ready()
    except TimeoutError:
        raise Unavailable(f"A component did not answer within {_READY_S:g} s.", code="not_ready") from None
    return ReadyView()
