"""`/voices`: take voices in, look at them, change and remove them.

Wherever an address names a voice, its id, its name or an alias will do; so will the file name that is shown for it,
and, but for the routes that are about it, `default`. Requests are forms; where no file is
needed, JSON will do too.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import HttpMethod, Request, delete, post, put, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import UNSET

from chatterbox_api_core.errors import InvalidInput, NotFound
from chatterbox_api_core.types import KEEP, Voice
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_http_litestar.bodies import read_voice
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.sending import BytesAnswer
from chatterbox_api_http_litestar.voice_views import (
    attachment,
    errors_about,
    listed,
    page_asked,
    required_file,
    required_text,
    voice_view,
)

__all__ = ["voice_routes"]

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_NO_DEFAULT: Final = {"default_voice": None, "source": "file_system", "path": None}


def voice_routes(voices: VoiceLibrary, *, limits: HttpLimits) -> list[HTTPRouteHandler]:
    return [
        *_library_routes(voices, limits),
        *_one_voice_routes(voices, limits),
        *_alias_routes(voices, limits),
        *_default_routes(voices, limits),
    ]


def _library_routes(voices: VoiceLibrary, limits: HttpLimits) -> list[HTTPRouteHandler]:
    @route("/voices", http_method=_READ)
    async def list_voices(request: Request[Any, Any, Any]) -> dict[str, Any]:
        after, limit = page_asked(request)
        found = [voice_view(voice) for voice in await listed(voices, after=after, limit=limit)]
        return {"voices": found, "count": len(found)}

    @post("/voices", status_code=201, request_max_body_size=limits.upload_bytes)
    async def create_voice(request: Request[Any, Any, Any]) -> dict[str, Any]:
        body, files = await read_voice(request, files=("voice_file",), limits=limits, forms_only=True)
        name = required_text(body.voice_name, field="voice_name", code="invalid_name")
        file = required_file(files, field="voice_file")
        with errors_about(name="voice_name", alias="aliases"):
            voice, report = await voices.create(
                name,
                await file.take(),
                filename=file.filename,
                aliases=tuple(alias for text in body.aliases or () for alias in text.split(",", 100) if alias.strip()),
                language=body.language or None,
                consent=body.consent or None,
            )
        return {"message": f"The voice {voice.name!r} has been added.", "voice": voice_view(voice), "report": report}

    @route("/voices/all-names", http_method=_READ)
    async def list_all_names() -> dict[str, Any]:
        """Every name that speech takes: `default`, and each name and alias there is."""
        names = ["default", *[name async for voice in voices.all() for name in (voice.name, *voice.aliases)]]
        return {"voice_names": names, "count": len(names)}

    return [list_voices, create_voice, list_all_names]


def _one_voice_routes(voices: VoiceLibrary, limits: HttpLimits) -> list[HTTPRouteHandler]:
    @route("/voices/{name:str}", http_method=_READ)
    async def get_voice(name: FromPath[str]) -> dict[str, Any]:
        return {"voice": voice_view(await voices.get(name))}

    @put("/voices/{name:str}", request_max_body_size=limits.upload_bytes)
    async def change_voice(name: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Give a voice another name, language, consent or clip; what is left out stays."""
        body, files = await read_voice(request, files=("voice_file",), limits=limits)
        file = files.get("voice_file")
        if body.new_name is None and file is None and body.language is UNSET and body.consent is UNSET:
            raise InvalidInput(
                "'new_name' is missing.",
                code="invalid_name",
                field="new_name",
                remedy="Or send 'voice_file', 'language' or 'consent' to change these.",
            )
        before = await voices.get(name)
        with errors_about(name="new_name"):
            after, report = await voices.change(
                before.id,
                new_name=KEEP if body.new_name is None else body.new_name,
                language=KEEP if body.language is UNSET else body.language,
                consent=KEEP if body.consent is UNSET else body.consent,
                data=None if file is None else await file.take(),
                filename="" if file is None else file.filename,
            )
        return {
            "message": f"The voice {after.name!r} has been changed.",
            "old_name": before.name,
            "new_name": after.name,
            "voice": voice_view(after),
            **({} if report is None else {"report": report}),
        }

    @delete("/voices/{name:str}", status_code=200)
    async def remove_voice(name: FromPath[str]) -> dict[str, Any]:
        voice = await voices.remove(name)
        return {"message": f"The voice {voice.name!r} has been removed.", "voice_name": voice.name, "id": voice.id}

    @route("/voices/{name:str}/download", http_method=_READ)
    async def download_voice(name: FromPath[str]) -> BytesAnswer:
        """The clip, byte for byte as it was uploaded."""
        voice = await voices.get(name)
        try:
            data = await voices.read_clip(voice)
        except NotFound:  # replaced meanwhile, or removed
            voice = await voices.current(voice)
            data = await voices.read_clip(voice)
        headers = {
            "content-type": voice.media_type,
            "content-disposition": attachment(voice),
            "x-content-type-options": "nosniff",
        }
        return BytesAnswer(data, headers=headers, limits=limits)

    return [get_voice, change_voice, remove_voice, download_voice]


def _alias_routes(voices: VoiceLibrary, limits: HttpLimits) -> list[HTTPRouteHandler]:
    @route("/voices/{name:str}/aliases", http_method=_READ)
    async def list_aliases(name: FromPath[str]) -> dict[str, Any]:
        voice = await voices.get(name)
        return {"voice_name": voice.name, "aliases": voice.aliases, "count": len(voice.aliases)}

    @post("/voices/{name:str}/aliases", status_code=201)
    async def add_alias(name: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
        body, _ = await read_voice(request, limits=limits)
        alias = required_text(body.alias, field="alias", code="invalid_name")
        with errors_about(name="alias"):
            voice = await voices.add_alias(name, alias)
        return _alias_answer(voice, alias.strip(), "added")

    @delete("/voices/{name:str}/aliases/{alias:str}", status_code=200)
    async def remove_alias(name: FromPath[str], alias: FromPath[str]) -> dict[str, Any]:
        return _alias_answer(await voices.remove_alias(name, alias), alias, "removed")

    return [list_aliases, add_alias, remove_alias]


def _alias_answer(voice: Voice, alias: str, done: str) -> dict[str, Any]:
    message = f"The alias {alias!r} of {voice.name!r} has been {done}."
    return {"message": message, "voice_name": voice.name, "alias": alias, "aliases": voice.aliases}


def _default_routes(voices: VoiceLibrary, limits: HttpLimits) -> list[HTTPRouteHandler]:
    @route("/voices/default", http_method=_READ)
    async def get_default() -> dict[str, Any]:
        """The library's default voice; without one, a clip on the server or the engine's own voice speaks."""
        voice = await voices.default()
        if voice is None:
            return _NO_DEFAULT
        return {"default_voice": voice.name, "source": "voice_library", "voice_info": voice_view(voice)}

    @post("/voices/default", status_code=200)
    async def set_default(request: Request[Any, Any, Any]) -> dict[str, Any]:
        body, _ = await read_voice(request, limits=limits)
        asked = required_text(body.voice_name, field="voice_name", code="invalid_voice")
        with errors_about(voice="voice_name"):
            voice = await voices.get(asked)
            await voices.set_default(voice.id)
        return {
            "message": f"{voice.name!r} is the default voice.",
            "default_voice": voice.name,
            "source": "voice_library",
            "voice_info": voice_view(voice),
        }

    @delete("/voices/default", status_code=200)
    async def clear_default() -> dict[str, Any]:
        await voices.set_default(None)
        return {"message": "The library has no default voice any more.", **_NO_DEFAULT}

    return [get_default, set_default, clear_default]
