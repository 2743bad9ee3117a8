"""Finds the voice of a store that a request names."""

from __future__ import annotations

from chatterbox_api_core.errors import InvalidInput, NotFound
from chatterbox_api_core.formats import CLIP_EXTENSIONS
from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice
from chatterbox_api_core.voices.names import canonical_name, could_be_name, is_default_name, is_voice_id

__all__ = ["find_voice", "get_voice"]


async def get_voice(store: VoiceStore, requested: str) -> Voice:
    """The requested voice: by its id, its name, an alias, `default`, or a name with a recording's extension.

    A voice of that very name comes first, so `Anna.mp3` is Anna only where no voice is called `Anna.mp3`.

    Raises:
        InvalidInput: `invalid_voice`, for something that can be none of these.
        NotFound: there is no such voice, or no default voice.
    """
    if is_default_name(requested):
        return await _default_voice(store)
    stem = _without_extension(requested)
    voice = await find_voice(store, requested) if stem is None or could_be_name(requested) else None
    if voice is None and stem is not None:
        voice = await find_voice(store, stem)
    if voice is None:
        raise NotFound(
            f"There is no voice {requested.strip()!r}.",
            field="voice",
            remedy="The list of voices names those there are.",
        )
    return voice


async def find_voice(store: VoiceStore, name: str) -> Voice | None:
    """The voice with exactly this id, name or alias, in any spelling; None where there is none.

    Raises:
        InvalidInput: `invalid_voice`, for something that can be neither name nor id.
    """
    if not could_be_name(name):
        raise InvalidInput(
            "This is neither the name nor the id of a voice.",
            code="invalid_voice",
            field="voice",
            remedy="Use a name or an id of the list of voices.",
        )
    canonical = canonical_name(name)
    return await (store.get(canonical) if is_voice_id(canonical) else store.get_by_name(name))


async def _default_voice(store: VoiceStore) -> Voice:
    voice = await store.default()
    if voice is None:
        raise NotFound(
            "The library has no default voice.", field="voice", remedy="Choose one, or name a voice of the list."
        )
    return voice


def _without_extension(requested: str) -> str | None:
    """`Anna` for `Anna.mp3`; None where this is no such file name."""
    stem, dot, extension = requested.strip().rpartition(".")
    if f"{dot}{extension.lower()}" not in CLIP_EXTENSIONS.values() or not could_be_name(stem):
        return None
    return None if is_default_name(stem) else stem
