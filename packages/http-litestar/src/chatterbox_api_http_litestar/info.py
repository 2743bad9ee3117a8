"""What clients ask before they speak: models, languages, health and readiness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from litestar import HttpMethod, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.speech import SpeechService
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_http_litestar.errors import RequestError

__all__ = ["info_routes"]

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_READY_S: Final = 2.0
_ALIASES: Final = ("chatterbox-tts-1", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Models that clients ask for out of habit; each is the engine there is."""


def info_routes(
    speech: SpeechService, *, voices: VoiceLibrary, version: str, is_draining: Callable[[], bool]
) -> list[HTTPRouteHandler]:
    started = int(time.time())
    parameters = [asdict(spec) for spec in speech.capabilities.parameters]
    models = [
        {"id": name, "object": "model", "created": started, "owned_by": "chatterbox-api", "parameters": parameters}
        for name in dict.fromkeys((speech.engine, *_ALIASES))
    ]

    @route("/models", http_method=_READ)
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": models}

    @route("/audio/models", http_method=_READ)
    async def list_audio_models() -> dict[str, Any]:
        return {"models": models}

    @route("/models/{model:str}", http_method=_READ)
    async def get_model(model: FromPath[str]) -> dict[str, Any]:
        for known in models:
            if known["id"] == model:
                return known
        raise RequestError(404, "model_not_found", f"There is no model {model[:64]!r} here.", "model")

    @route("/languages", http_method=_READ)
    async def list_languages() -> dict[str, Any]:
        languages = [{"code": known.tag, "name": known.name} for known in speech.capabilities.languages]
        return {"languages": languages, "count": len(languages), "model_type": speech.engine}

    @route("/health", http_method=_READ)
    async def health() -> dict[str, Any]:
        """Alive, whether or not it can speak right now."""
        return {
            "status": "healthy",
            "version": version,
            "engine": speech.engine,
            "clones": speech.capabilities.supports_cloning,
            "formats": [offered.name for offered in speech.formats],
            "requests": {"running": speech.admission.running, "waiting": speech.admission.waiting},
        }

    @route("/ping", http_method=_READ)
    async def ping() -> dict[str, str]:
        return {"status": "ok", "message": "Chatterbox API is running"}

    @route("/ready", http_method=_READ)
    async def ready() -> dict[str, str]:
        """Able to serve; 503 with the cause while it is not, and before it stops."""
        if is_draining():
            raise Unavailable("The server is about to stop.", code="draining")
        try:
            async with asyncio.timeout(_READY_S):
                await speech.ready()
                await voices.ready()
        except TimeoutError:
            raise Unavailable(f"A part did not answer within {_READY_S:g} s.", code="not_ready") from None
        return {"status": "ready"}

    return [
        list_models,
        list_audio_models,
        get_model,
        list_languages,
        health,
        ping,
        ready,
    ]
