"""`/voices`: adds, shows, changes and removes voices.

Wherever an address names a voice, its id, its name and an alias will do. So will the file name that is shown for it
and, but for the routes that are about it, `default`. Requests are forms; where no file is needed, JSON will do too.
"""

from __future__ import annotations

from typing import Final

from litestar import delete, post, put, route
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from chatterbox_api_core.errors import NotFound
from chatterbox_api_core.types import KEEP, Voice
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.names import is_voice_id
from chatterbox_api_http_litestar.bounded_send import BytesResponse
from chatterbox_api_http_litestar.errors import RequestError
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.litestar_types import AnyRequest
from chatterbox_api_http_litestar.request_parsing import page_of, read_voice, required_file, required_text
from chatterbox_api_http_litestar.routes import READ
from chatterbox_api_http_litestar.schemas import (
    AliasChange,
    AliasList,
    DefaultVoiceView,
    VoiceAddition,
    VoiceChange,
    VoiceDetails,
    VoiceNames,
    VoicePage,
    VoiceRemoval,
)
from chatterbox_api_http_litestar.serializers import attachment, report_view, voice_view

__all__ = [
    "add_alias",
    "change_voice",
    "clear_default_voice",
    "create_voice",
    "download_voice",
    "get_default_voice",
    "get_voice",
    "list_aliases",
    "list_voice_names",
    "list_voices",
    "page_of_voices",
    "remove_alias",
    "remove_voice",
    "set_default_voice",
]

_MAX_ALIASES_IN_FIELD: Final = 100


@route("/voices", http_method=READ)
async def list_voices(request: AnyRequest, voices: NamedDependency[VoiceLibrary]) -> VoicePage:
    """Voices in order of creation: all, or a page of `limit` behind the voice `after`."""
    after, limit = page_of(request)
    found = [voice_view(voice) for voice in await page_of_voices(voices, after=after, limit=limit)]
    return VoicePage(voices=found, count=len(found))


@post("/voices", status_code=201)
async def create_voice(
    request: AnyRequest, voices: NamedDependency[VoiceLibrary], limits: NamedDependency[HttpLimits]
) -> VoiceAddition:
    """Add a voice: a form with `voice_name`, `voice_file`, `aliases`, `language` and `consent`."""
    body, files = await read_voice(request, files=("voice_file",), limits=limits, forms_only=True)
    name = required_text(body.voice_name, field="voice_name", code="invalid_name")
    file = required_file(files, field="voice_file")
    aliases = [alias for text in body.aliases or () for alias in text.split(",", _MAX_ALIASES_IN_FIELD)]
    voice, report = await voices.create(
        name,
        await file.take(),
        filename=file.filename,
        aliases=tuple(alias for alias in aliases if alias.strip()),
        language=body.language or None,
        consent=body.consent or None,
    )
    message = f"The voice {voice.name!r} has been added."
    return VoiceAddition(message=message, voice=voice_view(voice), report=report_view(report))


@route("/voices/all-names", http_method=READ)
async def list_voice_names(voices: NamedDependency[VoiceLibrary]) -> VoiceNames:
    """Every name that a speech request takes: `default`, and each name and alias."""
    names = ["default", *[name async for voice in voices.all() for name in (voice.name, *voice.aliases)]]
    return VoiceNames(voice_names=names, count=len(names))


@route("/voices/{name:str}", http_method=READ)
async def get_voice(name: FromPath[str], voices: NamedDependency[VoiceLibrary]) -> VoiceDetails:
    """Show one voice."""
    return VoiceDetails(voice=voice_view(await voices.get(name)))


@put("/voices/{name:str}")
async def change_voice(
    name: FromPath[str],
    request: AnyRequest,
    voices: NamedDependency[VoiceLibrary],
    limits: NamedDependency[HttpLimits],
) -> VoiceChange:
    """Change a voice's name, language, consent or clip; what is left out stays."""
    body, files = await read_voice(request, files=("voice_file",), limits=limits)
    file = files.get("voice_file")
    if body.new_name is None and file is None and body.language is UNSET and body.consent is UNSET:
        message = "'new_name' is missing. Or send 'voice_file', 'language' or 'consent' to change these."
        raise RequestError(400, "invalid_name", message, "new_name")
    before = await voices.get(name)
    after, report = await voices.change(
        before.id,
        new_name=KEEP if body.new_name is None else body.new_name,
        language=KEEP if body.language is UNSET else body.language,
        consent=KEEP if body.consent is UNSET else body.consent,
        data=None if file is None else await file.take(),
        filename="" if file is None else file.filename,
    )
    return VoiceChange(
        message=f"The voice {after.name!r} has been changed.",
        old_name=before.name,
        new_name=after.name,
        voice=voice_view(after),
        report=UNSET if report is None else report_view(report),
    )


@delete("/voices/{name:str}", status_code=200)
async def remove_voice(name: FromPath[str], voices: NamedDependency[VoiceLibrary]) -> VoiceRemoval:
    """Remove a voice and its clip."""
    voice = await voices.remove(name)
    return VoiceRemoval(message=f"The voice {voice.name!r} has been removed.", voice_name=voice.name, id=voice.id)


@route("/voices/{name:str}/download", http_method=READ)
async def download_voice(
    name: FromPath[str], voices: NamedDependency[VoiceLibrary], limits: NamedDependency[HttpLimits]
) -> BytesResponse:
    """The clip, byte for byte as it was uploaded."""
    voice = await voices.get(name)
    try:
        data = await voices.read_clip(voice)
    except NotFound:  # another request has replaced or removed it since
        voice = await voices.current(voice)
        data = await voices.read_clip(voice)
    headers = {
        "content-type": voice.media_type,
        "content-disposition": attachment(voice),
        "x-content-type-options": "nosniff",
    }
    return BytesResponse(data, headers=headers, limits=limits)


@route("/voices/{name:str}/aliases", http_method=READ)
async def list_aliases(name: FromPath[str], voices: NamedDependency[VoiceLibrary]) -> AliasList:
    """The aliases of a voice."""
    voice = await voices.get(name)
    return AliasList(voice_name=voice.name, aliases=voice.aliases, count=len(voice.aliases))


@post("/voices/{name:str}/aliases", status_code=201)
async def add_alias(
    name: FromPath[str],
    request: AnyRequest,
    voices: NamedDependency[VoiceLibrary],
    limits: NamedDependency[HttpLimits],
) -> AliasChange:
    """Give a voice another name, beside those that it has."""
    body, _ = await read_voice(request, limits=limits)
    alias = required_text(body.alias, field="alias", code="invalid_name")
    return _alias_change(await voices.add_alias(name, alias), alias.strip(), "added")


@delete("/voices/{name:str}/aliases/{alias:str}", status_code=200)
async def remove_alias(name: FromPath[str], alias: FromPath[str], voices: NamedDependency[VoiceLibrary]) -> AliasChange:
    """Take an alias from a voice."""
    return _alias_change(await voices.remove_alias(name, alias), alias, "removed")


@route("/voices/default", http_method=READ)
async def get_default_voice(voices: NamedDependency[VoiceLibrary]) -> DefaultVoiceView:
    """The library's default voice. Without one, a clip on the server or the engine's own voice speaks."""
    voice = await voices.default()
    return DefaultVoiceView(path=None) if voice is None else _default_view(voice)


@post("/voices/default", status_code=200)
async def set_default_voice(
    request: AnyRequest, voices: NamedDependency[VoiceLibrary], limits: NamedDependency[HttpLimits]
) -> DefaultVoiceView:
    """Make a voice the library's default voice."""
    body, _ = await read_voice(request, limits=limits)
    voice = await voices.get(required_text(body.voice_name, field="voice_name", code="invalid_voice"))
    await voices.set_default(voice.id)
    return _default_view(voice, message=f"{voice.name!r} is the default voice.")


@delete("/voices/default", status_code=200)
async def clear_default_voice(voices: NamedDependency[VoiceLibrary]) -> DefaultVoiceView:
    """Leave the library without a default voice."""
    await voices.set_default(None)
    return DefaultVoiceView(message="The library has no default voice any more.", path=None)


async def page_of_voices(voices: VoiceLibrary, *, after: str | None, limit: int | None) -> list[Voice]:
    """At most `limit` voices behind the voice `after`, all where they are None; in order of creation."""
    if after is not None and not is_voice_id(after):
        after = (await voices.get(after)).id
    if limit is not None:
        return list(await voices.page(after=after, limit=limit))
    return [voice async for voice in voices.all() if after is None or voice.id > after]


def _alias_change(voice: Voice, alias: str, done: str) -> AliasChange:
    message = f"The alias {alias!r} of {voice.name!r} has been {done}."
    return AliasChange(message=message, voice_name=voice.name, alias=alias, aliases=voice.aliases)


def _default_view(voice: Voice, *, message: str | UnsetType = UNSET) -> DefaultVoiceView:
    return DefaultVoiceView(
        message=message, default_voice=voice.name, source="voice_library", voice_info=voice_view(voice)
    )
