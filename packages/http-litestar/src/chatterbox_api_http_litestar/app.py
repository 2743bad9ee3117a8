"""`create_app`: the routes, with and without `/v1`, over the use cases that they are given."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import ASGIApp

from chatterbox_api_core.speech import SpeechService
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.watermarks import Watermarks
from chatterbox_api_http_litestar import headers
from chatterbox_api_http_litestar.access_control import AccessControl
from chatterbox_api_http_litestar.body_budget import BodyBudget
from chatterbox_api_http_litestar.errors import EXCEPTION_HANDLERS
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.request_body import request_bodies
from chatterbox_api_http_litestar.routes.status import DrainCheck, models_of
from chatterbox_api_http_litestar.routes.table import HANDLERS

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
    is_draining: DrainCheck = lambda: False,
) -> ASGIApp:
    """Make the ASGI application. It owns nothing: the caller opens and closes the use cases.

    Args:
        watermarks: None for a service without a detector; the route that needs one then answers 501.
        version: shown by `/health`.
        limits: bounds of requests and responses; the defaults of `HttpLimits` when None.
        cors_origins: web origins whose pages may call, as browsers write them; `https://app.example:*` is any port,
            `*` is every page. Other pages can change nothing here and read nothing.
        allowed_hosts: the names that clients may call the server by, beside loopback's own; None for any. A server on
            loopback needs it, or pages whose name is pointed at it (DNS rebinding) are taken for its own.
        is_draining: whether the server is about to stop; `/ready` then says so.
    """
    limits = limits or HttpLimits()
    app = Litestar(
        route_handlers=[Router("/", route_handlers=HANDLERS), Router("/v1", route_handlers=HANDLERS)],
        dependencies={
            "speech": _given(speech),
            "voices": _given(voices),
            "watermarks": _given(watermarks),
            "models": _given(models_of(speech, started=int(time.time()))),
            "version": _given(version),
            "limits": _given(limits),
            "is_draining": _given(is_draining),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=[request_bodies(BodyBudget(limits))],
        before_send=[headers.add_request_id],
        multipart_form_part_limit=limits.parts,
        request_max_body_size=None,  # each handler reads its body within its own bound, by `body_reading`
        logging_config=None,
        openapi_config=None,
    )
    return AccessControl(app, cors_origins=cors_origins, allowed_hosts=allowed_hosts, receive_s=limits.receive_s)


def _given(value: Any) -> Provide:
    """A dependency that is one value for as long as the application lasts."""
    return Provide(lambda: value, sync_to_thread=False)
