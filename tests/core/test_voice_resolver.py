"""The priority: the voice that is named, else the clip that came along, else the default."""

from __future__ import annotations

import hashlib

import pytest

from chatterbox_api_core.errors import ChatterboxError, InvalidAudio, InvalidInput, NotFound, StorageFailed, Unavailable
from chatterbox_api_core.reference import MemoryStore, WavReader
from chatterbox_api_core.types import Clip, ClipLimits, Voice, VoiceAudio, VoiceDraft
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.voice_resolver import ResolvedVoice, VoiceResolver
from chatterbox_api_testkit.sounds import frequency_hz, sine, wav

LIBRARY, DEFAULT, UPLOAD, SAMPLE = (wav(sine(hz, 1.5, sample_rate_hz=8000)) for hz in (300, 400, 500, 600))


def resolver_of(
    store: MemoryStore, reader: WavReader | None = None, *, sample: bytes | None = None, decoded_bytes: int = 2**26
) -> VoiceResolver:
    library = VoiceLibrary(store=store, clip_reader=reader or WavReader(), decoded_bytes=decoded_bytes)
    return VoiceResolver(library, sample=sample)


async def library() -> tuple[MemoryStore, Voice, Voice]:
    store = MemoryStore()
    voices = [
        await store.add(
            VoiceDraft(name, aliases=aliases), VoiceAudio(data, hashlib.sha256(data).hexdigest(), duration_s=1.5)
        )
        for name, aliases, data in (("Anna", ("Mum",), LIBRARY), ("Bert", (), DEFAULT))
    ]
    return store, voices[0], voices[1]


@pytest.mark.parametrize(
    ("voice", "upload", "library_default", "sample", "expected"),
    [
        # asked for by name: in any spelling, whatever else there is
        ("Anna", False, True, True, ("library", 300)),
        ("ANNA", False, False, False, ("library", 300)),
        ("Ａｎｎａ", False, False, False, ("library", 300)),
        ("An\u200bna", False, False, False, ("library", 300)),
        ("mum", False, False, False, ("library", 300)),
        ("<id>", False, False, False, ("library", 300)),
        ("Anna", True, True, True, ("library", 300)),
        # no voice named: the upload
        (None, True, True, True, ("upload", 500)),
        ("", True, True, True, ("upload", 500)),
        ("  ", True, False, False, ("upload", 500)),
        # a stock name that the library does not hold counts as none named
        ("alloy", True, True, True, ("upload", 500)),
        ("Alloy", False, True, True, ("default", 400)),
        ("nova", False, False, False, ("default", None)),
        # the word for the default voice names it, so that a clip that came along does not speak
        ("default", True, True, True, ("default", 400)),
        (" Default ", True, False, True, ("default", 600)),
        ("DEFAULT", True, False, False, ("default", None)),
        ("default", False, True, False, ("default", 400)),
        # a file name as lists show it
        ("Anna.wav", True, True, True, ("library", 300)),
        ("Carla.wav", True, True, True, NotFound),
        # nothing: the library's default, the sample, the engine's own
        (None, False, True, True, ("default", 400)),
        (None, False, False, True, ("default", 600)),
        (None, False, False, False, ("default", None)),
        # named and unknown is an error, never another voice
        ("Carla", False, True, True, NotFound),
        ("Carla", True, True, True, NotFound),
        ("voice_" + "0" * 26, True, True, True, NotFound),
        ("../../etc/passwd", True, True, True, InvalidInput),
        ("http://127.0.0.1/a.wav", False, True, True, InvalidInput),
        ("..%2f", False, True, True, InvalidInput),
        ("%00", False, True, True, InvalidInput),
        ("C:\\", False, True, True, InvalidInput),
        ("a" * 10_000, False, True, True, InvalidInput),
        ("\u200b", False, True, True, InvalidInput),
        ("\ufdfa" * 340_000, False, True, True, InvalidInput),
    ],
)
async def test_priority(
    voice: str | None,
    upload: bool,
    library_default: bool,
    sample: bool,
    expected: tuple[str, int | None] | type[ChatterboxError],
) -> None:
    store, anna, bert = await library()
    if library_default:
        await store.set_default(bert.id)
    resolver = resolver_of(store, sample=SAMPLE if sample else None)
    asked = anna.id if voice == "<id>" else voice
    if isinstance(expected, type):
        with pytest.raises(expected) as caught:
            await resolver.resolve(voice=asked, clip=UPLOAD if upload else None)
        assert caught.value.field == "voice"
        return
    resolved = await resolver.resolve(voice=asked, clip=UPLOAD if upload else None)
    source, hz = expected
    assert resolved.source == source
    if hz is None:
        assert resolved.prompt is None
    else:
        assert resolved.prompt is not None
        assert frequency_hz(await resolved.prompt.pcm()) == pytest.approx(hz, rel=0.01)


async def test_a_stock_name_in_the_library_is_that_voice() -> None:
    store = MemoryStore()
    voice = await store.add(VoiceDraft("Alloy"), VoiceAudio(LIBRARY, hashlib.sha256(LIBRARY).hexdigest(), 1.5))
    resolver = resolver_of(store)
    assert (await resolver.resolve(voice="alloy", clip=UPLOAD)).voice == voice


async def test_an_unreadable_upload_is_refused_when_it_is_its_turn() -> None:
    store, _, _ = await library()
    resolver = resolver_of(store)
    with pytest.raises(InvalidAudio):
        await resolver.resolve(clip=b"nonsense")
    assert (await resolver.resolve(voice="Anna", clip=b"nonsense")).source == "library"


async def test_a_damaged_clip_never_speaks() -> None:
    store = MemoryStore()
    await store.add(VoiceDraft("Anna"), VoiceAudio(LIBRARY, "0" * 64, 1.5))
    resolved = await resolver_of(store).resolve(voice="anna")
    assert resolved.prompt is not None
    with pytest.raises(StorageFailed) as caught:
        await resolved.prompt.pcm()
    assert caught.value.code == "voice_damaged"


async def test_a_stored_clip_that_cannot_be_read_is_not_the_clients_fault() -> None:
    store = MemoryStore()
    await store.add(VoiceDraft("Anna"), VoiceAudio(b"noise", hashlib.sha256(b"noise").hexdigest(), 1.5))
    resolved = await resolver_of(store).resolve(voice="anna")
    assert resolved.prompt is not None
    with pytest.raises(StorageFailed) as caught:
        await resolved.prompt.pcm()
    assert (caught.value.code, caught.value.field) == ("voice_damaged", "voice")


class CountingReader(WavReader):
    def __init__(self) -> None:
        self.reads = 0

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        self.reads += 1
        return await super().read(data, limits=limits)


async def test_a_clip_is_decoded_once_while_there_is_room() -> None:
    reader = CountingReader()
    resolver = resolver_of(MemoryStore(), reader, sample=SAMPLE)
    for _ in range(3):
        resolved = await resolver.resolve()
        assert resolved.prompt is not None
        assert reader.reads <= 1, "a warm engine neither fetches nor decodes"
        await resolved.prompt.pcm()
    assert reader.reads == 1
    small = resolver_of(MemoryStore(), reader, sample=SAMPLE, decoded_bytes=100)
    for _ in range(2):
        resolved = await small.resolve()
        assert resolved.prompt is not None
        assert frequency_hz(await resolved.prompt.pcm()) == pytest.approx(600, rel=0.01)
    assert reader.reads == 3


async def test_replaced_at_the_last_moment_it_can_be_asked_again_removed_it_is_gone() -> None:
    store, anna, _ = await library()
    resolved = await resolver_of(store).resolve(voice="Anna")
    assert resolved.prompt is not None
    await store.replace(anna.id, VoiceAudio(DEFAULT, hashlib.sha256(DEFAULT).hexdigest(), 1.5))
    with pytest.raises(Unavailable) as caught:
        await resolved.prompt.pcm()
    assert caught.value.code == "voice_changed"
    await store.remove(anna.id)
    with pytest.raises(NotFound):
        await resolved.prompt.pcm()


async def test_refreshing_finds_what_happened_meanwhile() -> None:
    store, anna, bert = await library()
    resolver = resolver_of(store)
    resolved = await resolver.resolve(voice="Anna")
    await store.replace(anna.id, VoiceAudio(DEFAULT, hashlib.sha256(DEFAULT).hexdigest(), 1.5))
    current = await resolver.refresh(resolved)
    assert current.prompt is not None
    assert current.prompt.key != anna.sha256
    assert frequency_hz(await current.prompt.pcm()) == pytest.approx(400, rel=0.01)
    await store.set_default(bert.id)
    assert (await resolver.refresh(ResolvedVoice("default"))).voice == bert
    await store.remove(anna.id)
    with pytest.raises(NotFound):
        await resolver.refresh(resolved)
