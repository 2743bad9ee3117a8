"""`create_app`: the routes, with and without `/v1`, over the use cases they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig

from chatterbox_api_core.speech import SpeechService
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.watermarks import Watermarks
from chatterbox_api_http_litestar import headers
from chatterbox_api_http_litestar.body_budget import BodyBudget
from chatterbox_api_http_litestar.errors import EXCEPTION_HANDLERS
from chatterbox_api_http_litestar.info import info_routes
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.openai_voices import openai_voice_routes
from chatterbox_api_http_litestar.request_body import request_bodies
from chatterbox_api_http_litestar.speech import speech_routes
from chatterbox_api_http_litestar.voices import voice_routes
from chatterbox_api_http_litestar.watermark import watermark_routes

__all__ = ["create_app"]

_ALLOWED_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "openai-organization",
    "openai-project",
    "x-request-id",
    *(
        f"x-stainless-{name}"
        for name in ("arch", "async", "helper-method", "lang", "os", "package-version", "poll-helper", "raw-response")
    ),
    *(f"x-stainless-{name}" for name in ("read-timeout", "retry-count", "runtime", "runtime-version", "timeout")),
]


def create_app(
    *,
    speech: SpeechService,
    voices: VoiceLibrary,
    watermarks: Watermarks | None = None,
    version: str,
    limits: HttpLimits | None = None,
    cors_origins: Sequence[str] = (),
    is_draining: Callable[[], bool] = lambda: False,
) -> Litestar:
    """The application. Whoever made the use cases closes them; the application owns nothing.

    Args:
        watermarks: without it, the route that asks for one answers 501.
        version: shown by `/health`.
        cors_origins: web origins that may call from a browser, `*` for all.
        is_draining: whether the server is about to stop; `/ready` then says so.
    """
    limits = limits or HttpLimits()
    handlers = [
        *speech_routes(speech, limits=limits),
        *voice_routes(voices, limits=limits),
        *openai_voice_routes(voices, limits=limits),
        *watermark_routes(watermarks, limits=limits),
        *info_routes(speech, voices=voices, version=version, is_draining=is_draining),
    ]
    return Litestar(
        route_handlers=[Router("/", route_handlers=handlers), Router("/v1", route_handlers=handlers)],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[request_bodies(BodyBudget(limits))],
        before_send=[headers.add_request_id],
        multipart_form_part_limit=limits.parts,
        request_max_body_size=limits.body_bytes,
        cors_config=CORSConfig(
            allow_origins=list(cors_origins), allow_headers=_ALLOWED_HEADERS, expose_headers=headers.EXPOSED
        )
        if cors_origins
        else None,
        logging_config=None,
        openapi_config=None,
    )
