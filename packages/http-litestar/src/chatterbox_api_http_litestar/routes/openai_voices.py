"""`/audio/voices`: OpenAI's custom voices, over the same library as `/voices`."""

from __future__ import annotations

from litestar import delete, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath

from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.names import is_default_name
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.request_parsing import page_of, read_voice, required_file, required_text
from chatterbox_api_http_litestar.routes import READ
from chatterbox_api_http_litestar.routes.voices import page_of_voices
from chatterbox_api_http_litestar.schemas import CustomVoicePage, CustomVoiceRemoval, CustomVoiceView
from chatterbox_api_http_litestar.serializers import custom_voice_view, default_custom_voice_view

__all__ = ["create_custom_voice", "delete_custom_voice", "get_custom_voice", "list_custom_voices"]


@route("/audio/voices", http_method=READ)
async def list_custom_voices(request: AnyRequest, voices: NamedDependency[VoiceLibrary]) -> CustomVoicePage:
    """The default voice first, as an entry of its own, then the library's voices."""
    after, limit = page_of(request)
    first = [default_custom_voice_view(await voices.default())] if after is None else []
    behind = None if after and is_default_name(after) else after
    found = await page_of_voices(voices, after=behind, limit=limit)
    return CustomVoicePage(voices=[*first, *map(custom_voice_view, found)][:limit])


@post("/audio/voices", status_code=200)
async def create_custom_voice(
    request: AnyRequest, voices: NamedDependency[VoiceLibrary], limits: NamedDependency[HttpLimits]
) -> CustomVoiceView:
    """Add a voice: a form with `name`, `audio_sample` and, kept with the voice, `consent`."""
    body, files = await read_voice(request, files=("audio_sample",), limits=limits)
    if body.type == "prompt":
        message = (
            "Voices are made from recordings here, not from a prompt. Send 'audio_sample', a recording of the voice."
        )
        raise RequestError(400, "unsupported_voice_type", message, "type")
    name = required_text(body.name, field="name", code="invalid_name")
    file = required_file(files, field="audio_sample")
    voice, _ = await voices.create(
        name,
        await file.take(),
        filename=file.filename,
        language=body.language or None,
        consent=body.consent or None,
    )
    return custom_voice_view(voice)


@route("/audio/voices/{voice:str}", http_method=READ)
async def get_custom_voice(voice: FromPath[str], voices: NamedDependency[VoiceLibrary]) -> CustomVoiceView:
    """Show one voice; `default` is the library's default voice."""
    if is_default_name(voice):
        return default_custom_voice_view(await voices.default())
    return custom_voice_view(await voices.get(voice))


@delete("/audio/voices/{voice:str}", status_code=200)
async def delete_custom_voice(voice: FromPath[str], voices: NamedDependency[VoiceLibrary]) -> CustomVoiceRemoval:
    """Remove a voice and its clip."""
    return CustomVoiceRemoval(id=(await voices.remove(voice)).id)
