"""OpenAI's custom voices: `/audio/voices`, over the same library as `/voices`."""

from __future__ import annotations

from typing import Any, Final

from litestar import HttpMethod, Request, delete, post, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.names import is_default_name
from chatterbox_api_http_litestar.bodies import read_voice
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.voice_views import (
    default_voice_view,
    errors_about,
    listed,
    openai_voice_view,
    page_asked,
    required_file,
    required_text,
)

__all__ = ["openai_voice_routes"]

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]


def openai_voice_routes(voices: VoiceLibrary, *, limits: HttpLimits) -> list[HTTPRouteHandler]:
    @route("/audio/voices", http_method=_READ)
    async def list_custom_voices(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """The default voice first, as an entry of its own, then the library's voices."""
        after, limit = page_asked(request)
        first = [default_voice_view(await voices.default())] if after is None else []
        found = await listed(voices, after=None if after and is_default_name(after) else after, limit=limit)
        return {"voices": [*first, *map(openai_voice_view, found)][:limit]}

    @post("/audio/voices", status_code=200, request_max_body_size=limits.upload_bytes)
    async def create_custom_voice(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Take a voice in: a form with `name`, `audio_sample` and, kept with the voice, `consent`."""
        body, files = await read_voice(request, files=("audio_sample",), limits=limits)
        if body.type == "prompt":
            raise InvalidInput(
                "Voices are made from recordings here, not from a prompt.",
                code="unsupported_voice_type",
                field="type",
                remedy="Send 'audio_sample', a recording of the voice.",
            )
        name = required_text(body.name, field="name", code="invalid_name")
        file = required_file(files, field="audio_sample")
        with errors_about(voice_file="audio_sample"):
            voice, _ = await voices.create(
                name,
                await file.take(),
                filename=file.filename,
                language=body.language or None,
                consent=body.consent or None,
            )
        return openai_voice_view(voice)

    @route("/audio/voices/{voice:str}", http_method=_READ)
    async def get_custom_voice(voice: FromPath[str]) -> dict[str, Any]:
        if is_default_name(voice):
            return default_voice_view(await voices.default())
        return openai_voice_view(await voices.get(voice))

    @delete("/audio/voices/{voice:str}", status_code=200)
    async def delete_custom_voice(voice: FromPath[str]) -> dict[str, Any]:
        removed = await voices.remove(voice)
        return {"id": removed.id, "deleted": True, "object": "audio.voice.deleted"}

    return [list_custom_voices, create_custom_voice, get_custom_voice, delete_custom_voice]
