"""The voice library: what people do with voices, over any store.

Names are checked and clips are read here, so a store never has to judge either. Wherever a voice is meant, its id,
its name or an alias will do, in any spelling; so will `default` for the default voice, and a name with the extension
of a recording (`Anna.mp3`), as lists of voices show it.
"""

from __future__ import annotations

import asyncio
import hashlib
import unicodedata
from collections.abc import AsyncGenerator, Iterable
from typing import Literal

from chatterbox_api_core.errors import ChatterboxError, InvalidAudio, InvalidInput, NotFound, StorageFailed
from chatterbox_api_core.languages import check_language_tag, language_tag
from chatterbox_api_core.ports import ClipReader, VoiceStore
from chatterbox_api_core.types import (
    KEEP,
    ClipLimits,
    ClipReport,
    Keep,
    Voice,
    VoiceAudio,
    VoiceChanges,
    VoiceDraft,
)
from chatterbox_api_core.voices._lookup import find_voice, get_voice
from chatterbox_api_core.voices.clip_cache import ClipCache
from chatterbox_api_core.voices.names import canonical_name, check_name, could_be_name

__all__ = ["VoiceLibrary"]

_PAGE = 1000
_READERS = 2
"""Clips decoded at once, so that uploads leave the processor to those who speak."""
_MAX_ALIASES = 20
_MAX_CONSENT_CHARS = 4000


class VoiceLibrary:
    """The use cases of voices.

    Args:
        clips: shared with whoever speaks; a clip that has just been taken in is at hand at once.
        languages: tags that a voice may have besides those of the registry: the engine's own.
    """

    def __init__(
        self,
        *,
        store: VoiceStore,
        clip_reader: ClipReader,
        clips: ClipCache | None = None,
        limits: ClipLimits | None = None,
        languages: Iterable[str] = (),
    ) -> None:
        self.clips = clips if clips is not None else ClipCache({})
        self._store, self._clip_reader = store, clip_reader
        self._limits = limits or ClipLimits()
        self._languages = tuple(languages)
        self._reading = asyncio.Semaphore(_READERS)

    async def ready(self) -> None:
        """Return if the store can serve, raise Unavailable with the cause if not."""
        await self._store.ready()

    async def create(
        self,
        name: str,
        data: bytes,
        *,
        filename: str = "",
        aliases: tuple[str, ...] = (),
        language: str | None = None,
        consent: str | None = None,
    ) -> tuple[Voice, ClipReport]:
        """Take a new voice in.

        Raises:
            InvalidInput: `invalid_name`, `invalid_language`, `invalid_consent`, `too_many_aliases`.
            InvalidAudio: the clip cannot serve.
            NameTaken, StorageFailed, Unavailable: as the store says.
        """
        draft = VoiceDraft(
            name=check_name(name, field="name"),
            aliases=_check_aliases(name, aliases),
            language=self._check_language(language),
            consent=_check_consent(consent),
        )
        audio, report = await self._read(data, filename)
        voice = await self._store.add(draft, audio)
        self.clips.put(voice.sha256, data)
        return voice, report

    async def get(self, asked: str) -> Voice:
        """The voice that is meant: by id, name or alias, as `default`, or by a file name of a list of voices.

        Raises:
            InvalidInput: `invalid_voice`, for something that can be none of these.
            NotFound: there is no such voice, or no default voice.
        """
        return await get_voice(self._store, asked)

    async def find(self, name: str) -> Voice | None:
        """The voice with exactly this id, name or alias, in any spelling; None where it is free. InvalidInput."""
        return await find_voice(self._store, name)

    def knows_language(self, language: str) -> bool:
        """Whether a voice can be given this language; those of voices from before may be anything."""
        return language_tag(language, known=self._languages) is not None

    async def current(self, voice: Voice) -> Voice:
        """The voice as it is now. NotFound when it has been removed."""
        found = await self._store.get(voice.id)
        if found is None:
            raise NotFound(f"The voice {voice.name!r} has been removed.", field="voice")
        return found

    async def page(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        """At most `limit` voices, from 1 to 1,000, in order of creation, behind the id `after`."""
        if not 1 <= limit <= _PAGE:
            raise InvalidInput(f"'limit' must be from 1 to {_PAGE}.", code="invalid_limit", field="limit")
        return await self._store.list(after=after, limit=limit)

    async def all(self) -> AsyncGenerator[Voice, None]:
        """Every voice, in order of creation."""
        after: str | None = None
        while page := await self._store.list(after=after, limit=_PAGE):
            for voice in page:
                yield voice
            after = page[-1].id

    async def read_clip(self, voice: Voice) -> bytes:
        """The clip, from memory or from the store. NotFound when it has been replaced or removed meanwhile.

        Raises:
            StorageFailed: `voice_damaged`; it is not kept, and does not speak.
        """

        async def fetch() -> bytes:
            data = await self._store.read_clip(voice)
            if await asyncio.to_thread(_sha256, data) != voice.sha256:
                raise damaged(voice)
            return data

        return await self.clips.get(voice.sha256, fetch)

    async def rename(self, asked: str, new_name: str) -> Voice:
        """Give a voice another name; the old one is free. NotFound, NameTaken, InvalidInput."""
        renamed, _ = await self.change(asked, new_name=new_name)
        return renamed

    async def replace(self, asked: str, data: bytes, *, filename: str = "") -> tuple[Voice, ClipReport]:
        """Give a voice another clip. NotFound, InvalidAudio."""
        voice = await self.get(asked)
        audio, report = await self._read(data, filename)
        return await self._replaced(voice, audio), report

    async def change(
        self,
        asked: str,
        *,
        new_name: str | Literal[Keep.KEEP] = KEEP,
        language: str | Literal[Keep.KEEP] | None = KEEP,
        consent: str | Literal[Keep.KEEP] | None = KEEP,
        data: bytes | None = None,
        filename: str = "",
    ) -> tuple[Voice, ClipReport | None]:
        """Change several things at once; all of them are checked before the first is written. None clears.

        The report is that of the new clip, where `data` is given.

        Raises:
            NotFound, NameTaken, InvalidInput, InvalidAudio, StorageFailed.
        """
        changes = VoiceChanges(
            name=new_name if new_name is KEEP else check_name(new_name, field="new_name"),
            language=language if language is KEEP else self._check_language(language),
            consent=consent if consent is KEEP else _check_consent(consent),
        )
        voice = await self.get(asked)
        audio, report = (None, None) if data is None else await self._read(data, filename)
        if changes != VoiceChanges():
            voice = await self._store.update(voice.id, changes)
        return voice if audio is None else await self._replaced(voice, audio), report

    async def add_alias(self, asked: str, alias: str) -> Voice:
        """Let a voice answer to another name too. NotFound, NameTaken, InvalidInput."""
        checked = check_name(alias, field="alias")
        voice = await self.get(asked)
        if len(voice.aliases) >= _MAX_ALIASES:
            raise _too_many_aliases()
        return await self._store.update(voice.id, VoiceChanges(add_aliases=(checked,)))

    async def remove_alias(self, asked: str, alias: str) -> Voice:
        """Free an alias. NotFound, also when the voice has no such alias."""
        voice = await self.get(asked)
        if not could_be_name(alias) or canonical_name(alias) not in map(canonical_name, voice.aliases):
            raise NotFound(f"{voice.name!r} has no alias {alias[:100]!r}.", code="alias_not_found", field="alias")
        return await self._store.update(voice.id, VoiceChanges(remove_aliases=(alias,)))

    async def default(self) -> Voice | None:
        """The voice that speaks when none is asked for."""
        return await self._store.default()

    async def set_default(self, asked: str | None) -> Voice | None:
        """Choose the default voice, or none. NotFound."""
        voice = None if asked is None else await self.get(asked)
        await self._store.set_default(None if voice is None else voice.id)
        return voice

    async def remove(self, asked: str) -> Voice:
        """Remove a voice and return what it was; its names are free. NotFound."""
        voice = await self.get(asked)
        await self._store.remove(voice.id)
        self.clips.drop(voice.sha256)
        return voice

    async def verify(self, voice: Voice) -> ChatterboxError | None:
        """Read the stored clip, never the one in memory, and say what is wrong with it.

        A voice that has been replaced or removed meanwhile is not damaged. Raises Unavailable.
        """
        try:
            data = await self._store.read_clip(voice)
            if await asyncio.to_thread(_sha256, data) != voice.sha256:
                return damaged(voice)
            await self._clip_reader.read(data, limits=self._limits)
        except NotFound:
            current = await self._store.get(voice.id)
            return None if current is None or current == voice else await self.verify(current)
        except (StorageFailed, InvalidAudio) as error:
            return error
        return None

    def _check_language(self, language: str | None) -> str | None:
        if language is None or not language.strip():
            return None
        return check_language_tag(language, field="language", known=self._languages)

    async def _replaced(self, voice: Voice, audio: VoiceAudio) -> Voice:
        replaced = await self._store.replace(voice.id, audio)
        self.clips.put(replaced.sha256, audio.data)
        if replaced.sha256 != voice.sha256:
            self.clips.drop(voice.sha256)
        return replaced

    async def _read(self, data: bytes, filename: str) -> tuple[VoiceAudio, ClipReport]:
        digest = await asyncio.to_thread(_sha256, data)
        async with self._reading:
            report = (await self._clip_reader.read(data, limits=self._limits)).report
        audio = VoiceAudio(data, digest, report.duration_s, report.media_type, _shown_filename(filename))
        return audio, report


def damaged(voice: Voice) -> StorageFailed:
    """The error for a stored clip that is not what was stored."""
    return StorageFailed(
        f"The stored clip of the voice {voice.name!r} is damaged.",
        code="voice_damaged",
        field="voice",
        remedy="Replace its clip.",
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _shown_filename(filename: str) -> str:
    """The last part of what a client calls its file, for people to recognise; nothing is ever opened by it."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable())[:255]


def _check_aliases(name: str, aliases: tuple[str, ...]) -> tuple[str, ...]:
    if len(aliases) > _MAX_ALIASES:
        raise _too_many_aliases()
    checked = [check_name(alias, field="aliases") for alias in aliases]
    by_canonical = {canonical_name(alias): alias for alias in checked}
    by_canonical.pop(canonical_name(name), None)
    return tuple(by_canonical.values())


def _too_many_aliases() -> InvalidInput:
    return InvalidInput(f"A voice has at most {_MAX_ALIASES} aliases.", code="too_many_aliases", field="alias")


def _check_consent(consent: str | None) -> str | None:
    if consent is None or not consent.strip():
        return None
    if len(consent) > _MAX_CONSENT_CHARS:
        raise InvalidInput(
            f"The consent has {len(consent):,} characters; at most {_MAX_CONSENT_CHARS:,} are kept.",
            code="invalid_consent",
            field="consent",
            remedy="Keep the document elsewhere, and its reference here.",
        )
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in consent):
        raise InvalidInput("The consent has characters that cannot be shown.", code="invalid_consent", field="consent")
    return consent.strip()
