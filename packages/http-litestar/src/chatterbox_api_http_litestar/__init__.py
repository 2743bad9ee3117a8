"""The HTTP front end: `create_app` makes an ASGI application of core's use cases."""

from __future__ import annotations

from chatterbox_api_http_litestar.app import create_app
from chatterbox_api_http_litestar.limits import HttpLimits

__all__ = ["HttpLimits", "create_app"]
