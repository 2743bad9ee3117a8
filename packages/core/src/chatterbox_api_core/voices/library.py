"""The voice library: what people do with voices, over any store.

The library checks names and reads clips, so that a store judges neither. A voice may be requested by its id, its name
or an alias, in any spelling; as `default`, which is the default voice; and by a name with the extension of a recording
(`Anna.mp3`), as lists of voices show it.
"""

from __future__ import annotations

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
from chatterbox_api_core.voices.clip_decoder import ClipDecoder, sha256_of
from chatterbox_api_core.voices.names import canonical_name, check_name, could_be_name
from chatterbox_api_core.voices.store_errors import voice_damaged

__all__ = ["VoiceLibrary"]

_PAGE = 1000
_MAX_ALIASES = 20
_MAX_CONSENT_CHARS = 4000


class VoiceLibrary:
    """The use cases of voices. Used on one event loop.

        library = VoiceLibrary(store=MemoryStore(), clip_reader=WavReader())
        voice, report = await library.create("Anna", Path("anna.wav").read_bytes())

    Every method that takes `requested` takes an id, a name or an alias in any spelling, `default`, or a file name from
    a list of voices. Every method may raise Unavailable, as the store says.

    Args:
        store: keeps the voices.
        clip_reader: decodes and measures clips.
        clips: the bytes of clips in memory; a clip that has just been created is at hand at once. None keeps none but
            those that are being loaded.
        limits: what a clip may be; those of `ClipLimits` when None.
        languages: tags that a voice may have besides those of the registry: the engine's own.
        decoded_bytes: how much decoded sound is kept, beyond what running requests hold.

    Attributes:
        clips: the cache of clips.
        decoder: decodes clips for the library and for those who speak, within one bound.
    """

    def __init__(
        self,
        *,
        store: VoiceStore,
        clip_reader: ClipReader,
        clips: ClipCache | None = None,
        limits: ClipLimits | None = None,
        languages: Iterable[str] = (),
        decoded_bytes: int = 32 * 2**20,
    ) -> None:
        self.clips = clips if clips is not None else ClipCache({})
        self.decoder = ClipDecoder(clip_reader, limits=limits, kept_bytes=decoded_bytes)
        self._store = store
        self._languages = tuple(languages)

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
        """Add a new voice; return it, and the report on its clip.

        Args:
            data: the bytes of a recording, which the store keeps as they are.
            filename: for people to recognise it by; only its last part is kept.
            language: a language tag; None or blank for none.
            consent: what the speaker agreed to; None or blank for nothing on record.

        Raises:
            InvalidInput: `invalid_name`, `invalid_language`, `invalid_consent`, `too_many_aliases`.
            InvalidAudio: the clip cannot serve.
            NameTaken: another voice has the name or an alias.
            StorageFailed: the store could not keep it.
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

    async def get(self, requested: str) -> Voice:
        """The requested voice: by id, name or alias, as `default`, or by a file name from a list of voices.

        Raises:
            InvalidInput: `invalid_voice`, for something that can be none of these.
            NotFound: there is no such voice, or no default voice.
        """
        return await get_voice(self._store, requested)

    async def find(self, name: str) -> Voice | None:
        """The voice with exactly this id, name or alias, in any spelling; None where it is free.

        Raises:
            InvalidInput: `invalid_voice`, for something that can be neither name nor id.
        """
        return await find_voice(self._store, name)

    def knows_language(self, language: str) -> bool:
        """Whether a voice can be given this language. A voice from before that was checked may have any other."""
        return language_tag(language, known=self._languages) is not None

    async def current(self, voice: Voice) -> Voice:
        """The voice as it is now.

        Raises:
            NotFound: it has been removed.
        """
        found = await self._store.get(voice.id)
        if found is None:
            raise NotFound(f"The voice {voice.name!r} has been removed.", field="voice")
        return found

    async def page(self, *, after: str | None = None, limit: int = 100) -> tuple[Voice, ...]:
        """At most `limit` voices, in order of creation, behind the id `after`; None begins with the first.

        Raises:
            InvalidInput: `invalid_limit`, it is not from 1 to 1,000.
        """
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
        """The bytes of the clip, from memory or from the store.

        Raises:
            NotFound: it has been replaced, or the voice removed, since `voice` was read.
            StorageFailed: `voice_damaged`, its bytes are not those of `voice.sha256`.
        """

        async def fetch() -> bytes:
            data = await self._store.read_clip(voice)
            if await sha256_of(data) != voice.sha256:
                raise voice_damaged(voice)
            return data

        return await self.clips.get(voice.sha256, fetch)

    async def rename(self, requested: str, new_name: str) -> Voice:
        """Give a voice another name; the old one is free.

        Raises:
            NotFound: there is no such voice.
            InvalidInput: `invalid_name`, `invalid_voice`.
            NameTaken: another voice has the new name.
            StorageFailed: the store could not keep it.
        """
        renamed, _ = await self.change(requested, new_name=new_name)
        return renamed

    async def replace(self, requested: str, data: bytes, *, filename: str = "") -> tuple[Voice, ClipReport]:
        """Give a voice another clip; return it, and the report on the new clip.

        Raises:
            NotFound: there is no such voice.
            InvalidAudio: the clip cannot serve.
            StorageFailed: the store could not keep it.
        """
        voice = await self.get(requested)
        audio, report = await self._read(data, filename)
        return await self._replaced(voice, audio), report

    async def change(
        self,
        requested: str,
        *,
        new_name: str | Literal[Keep.KEEP] = KEEP,
        language: str | Literal[Keep.KEEP] | None = KEEP,
        consent: str | Literal[Keep.KEEP] | None = KEEP,
        data: bytes | None = None,
        filename: str = "",
    ) -> tuple[Voice, ClipReport | None]:
        """Change several things; all of them are checked before the first is written.

        The details are one write and the clip is another, so a store that fails in between keeps the details alone.

        Args:
            language, consent: None or blank clears it, KEEP leaves it.
            data: the bytes of another clip; None leaves the old one.

        Returns:
            The voice, and the report on the new clip; None where there is no new clip.

        Raises:
            NotFound: there is no such voice.
            InvalidInput: `invalid_name`, `invalid_language`, `invalid_consent`, `invalid_voice`.
            InvalidAudio: the clip cannot serve.
            NameTaken: another voice has the new name.
            StorageFailed: the store could not keep it.
        """
        changes = VoiceChanges(
            name=new_name if new_name is KEEP else check_name(new_name, field="new_name"),
            language=language if language is KEEP else self._check_language(language),
            consent=consent if consent is KEEP else _check_consent(consent),
        )
        voice = await self.get(requested)
        audio, report = (None, None) if data is None else await self._read(data, filename)
        if changes != VoiceChanges():
            voice = await self._store.update(voice.id, changes)
        return voice if audio is None else await self._replaced(voice, audio), report

    async def add_alias(self, requested: str, alias: str) -> Voice:
        """Give a voice one more name.

        Raises:
            NotFound: there is no such voice.
            InvalidInput: `invalid_name`, `too_many_aliases`.
            NameTaken: another voice has this name.
            StorageFailed: the store could not keep it.
        """
        checked = check_name(alias, field="alias")
        voice = await self.get(requested)
        if len(voice.aliases) >= _MAX_ALIASES:
            raise _too_many_aliases()
        return await self._store.update(voice.id, VoiceChanges(add_aliases=(checked,)))

    async def remove_alias(self, requested: str, alias: str) -> Voice:
        """Take an alias, in any spelling, from a voice.

        Raises:
            NotFound: there is no such voice, or `alias_not_found`.
            StorageFailed: the store could not keep it.
        """
        voice = await self.get(requested)
        if not could_be_name(alias) or canonical_name(alias) not in map(canonical_name, voice.aliases):
            raise NotFound(f"{voice.name!r} has no alias {alias[:100]!r}.", code="alias_not_found", field="alias")
        return await self._store.update(voice.id, VoiceChanges(remove_aliases=(alias,)))

    async def default(self) -> Voice | None:
        """The voice that speaks when a request names none; None where none is chosen."""
        return await self._store.default()

    async def set_default(self, requested: str | None) -> Voice | None:
        """Choose the default voice and return it; None chooses none.

        Raises:
            NotFound: there is no such voice.
            StorageFailed: the store could not keep it.
        """
        voice = None if requested is None else await self.get(requested)
        await self._store.set_default(None if voice is None else voice.id)
        return voice

    async def remove(self, requested: str) -> Voice:
        """Remove a voice, and return what it was; its names are free.

        Raises:
            NotFound: there is no such voice.
            StorageFailed: the store could not remove it.
        """
        voice = await self.get(requested)
        await self._store.remove(voice.id)
        self.clips.drop(voice.sha256)
        return voice

    async def verify(self, voice: Voice) -> ChatterboxError | None:
        """Read the stored clip, never the one in memory; return the error that it gives, None where it is good.

        A voice that has been replaced or removed meanwhile is not damaged.
        """
        try:
            data = await self._store.read_clip(voice)
            if await sha256_of(data) != voice.sha256:
                return voice_damaged(voice)
            await self.decoder.read(data)
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
        sha256 = await sha256_of(data)
        report = (await self.decoder.read(data)).report
        audio = VoiceAudio(data, sha256, report.duration_s, report.media_type, _display_filename(filename))
        return audio, report


def _display_filename(filename: str) -> str:
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
