"""`POST /audio/watermark`: whether a recording carries the watermark that Chatterbox puts into its speech."""

from __future__ import annotations

from litestar import post
from litestar.di import NamedDependency

from chatterbox_api_core.watermarks import Watermarks
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.forms import read_form
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.request_parsing import required_file
from chatterbox_api_http_litestar.schemas import WatermarkView

__all__ = ["check_watermark"]


@post("/audio/watermark", status_code=200)
async def check_watermark(
    request: AnyRequest, watermarks: NamedDependency[Watermarks | None], limits: NamedDependency[HttpLimits]
) -> WatermarkView:
    """Judge a recording: a form with `file`, in any format of a voice's clip."""
    form = await read_form(request, files=("file",), limits=limits)
    if watermarks is None:
        raise RequestError(
            501,
            "watermark_unsupported",
            "Watermarks cannot be detected: no detector is set up here. The operator of this service can install one: "
            "run `hatch run chatterbox:serve`, or `docker/install.sh FOLDER model`. `chatterbox-api plugins` then says "
            "whether it is found.",
        )
    found = await watermarks.check(await required_file(form.files, field="file").take())
    return WatermarkView(
        watermarked=found.marked, confidence=round(found.confidence, 4), duration_s=round(found.duration_s, 3)
    )
