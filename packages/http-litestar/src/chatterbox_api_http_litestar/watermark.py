"""`POST /audio/watermark`: whether a recording carries the watermark that Chatterbox puts into all that it says."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from chatterbox_api_core.watermarks import Watermarks
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.forms import read_form
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.voice_views import required_file

__all__ = ["watermark_routes"]


def watermark_routes(watermarks: Watermarks | None, *, limits: HttpLimits) -> list[HTTPRouteHandler]:
    @post("/audio/watermark", status_code=200, request_max_body_size=limits.upload_bytes)
    async def check_watermark(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Judge a recording: a form with `file`, in any format that a voice may come in."""
        form = await read_form(request, files=("file",), limits=limits)
        if watermarks is None:
            raise RequestError(
                501,
                "watermark_unsupported",
                "Watermarks cannot be looked for: no detector is set up here. Whoever runs this service can install "
                'one, pip install "chatterbox-api[model]"; `chatterbox-api plugins` then says whether it is found.',
            )
        found = await watermarks.check(await required_file(form.files, field="file").take())
        return {
            "watermarked": found.marked,
            "confidence": round(found.confidence, 4),
            "duration_s": round(found.duration_s, 3),
        }

    return [check_watermark]
