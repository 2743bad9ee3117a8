"""`create_app`: the routes, with and without `/v1`, over the use cases they are given."""

from __future__ import annotations

from collections.abc import Callable, Collection

from litestar import Litestar, Router
from litestar.types import ASGIApp

from chatterbox_api_core.speech import SpeechService
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.watermarks import Watermarks
from chatterbox_api_http_litestar import headers
from chatterbox_api_http_litestar.body_budget import BodyBudget
from chatterbox_api_http_litestar.errors import EXCEPTION_HANDLERS
from chatterbox_api_http_litestar.gate import Gate
from chatterbox_api_http_litestar.info import info_routes
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.openai_voices import openai_voice_routes
from chatterbox_api_http_litestar.request_body import request_bodies
from chatterbox_api_http_litestar.speech import speech_routes
from chatterbox_api_http_litestar.voices import voice_routes
from chatterbox_api_http_litestar.watermark import watermark_routes

__all__ = ["create_app"]


def create_app(
    *,
    speech: SpeechService,
    voices: VoiceLibrary,
    watermarks: Watermarks | None = None,
    version: str,
    limits: HttpLimits | None = None,
    cors_origins: Collection[str] = (),
    allowed_hosts: Collection[str] | None = None,
    is_draining: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """The application. Whoever made the use cases closes them; the application owns nothing.

    Args:
        watermarks: without it, the route that asks for one answers 501.
        version: shown by `/health`.
        cors_origins: web origins whose pages may call, as browsers write them; `https://app.example:*` is any port,
            `*` is every page. Other pages can change nothing here and read nothing.
        allowed_hosts: the names that clients may call the server by, beside loopback's own; None for any. A server on
            loopback needs it, or pages whose name is pointed at it (DNS rebinding) are taken for its own.
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
    app = Litestar(
        route_handlers=[Router("/", route_handlers=handlers), Router("/v1", route_handlers=handlers)],
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[request_bodies(BodyBudget(limits))],
        before_send=[headers.add_request_id],
        multipart_form_part_limit=limits.parts,
        request_max_body_size=limits.body_bytes,
        logging_config=None,
        openapi_config=None,
    )
    return Gate(app, cors_origins=cors_origins, allowed_hosts=allowed_hosts, receive_s=limits.receive_s)
