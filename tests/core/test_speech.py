"""The use case: one request from text to bytes, and all the ways it can end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from support.in_process import speech_service

from chatterbox_api_core.errors import (
    ChatterboxError,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Overloaded,
    SynthesisFailed,
)
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer, WavEncoder, WavReader
from chatterbox_api_core.speech import SpeechLimits, SpeechRequest, SpeechService, SpeechStream
from chatterbox_api_core.speech.spool import SpoolBudget
from chatterbox_api_core.types import (
    Capabilities,
    ClipLimits,
    EncodeOptions,
    Language,
    ParameterSpec,
    Pcm,
    Utterance,
    VoiceAudio,
    VoiceDraft,
    VoicePrompt,
)
from chatterbox_api_testkit.sounds import frequency_hz, level, middle, sine, wav

TEXT = "This is a sentence of some length. And this is another one, that ends here."


class ScriptedEngine:
    """An engine that does what a test says, and remembers what became of its generators."""

    def __init__(self, script: Callable[[Utterance], AsyncGenerator[Pcm, None]], **capabilities: object) -> None:
        declared = {
            "supports_cloning": False,
            "languages": (),
            "sample_rate_hz": 24_000,
            "max_concurrency": 1,
            "max_chars": 36,
        }
        self.capabilities = Capabilities(**{**declared, **capabilities})  # type: ignore[arg-type]
        self.heard: list[Utterance] = []
        self.running = 0
        self._script = script

    async def ready(self) -> None:
        return

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        self.heard.append(utterance)
        self.running += 1
        try:
            async for pcm in self._script(utterance):
                yield pcm
        finally:
            self.running -= 1


async def hum(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
    for _ in range(3):
        await asyncio.sleep(0)
        yield sine(440, 0.2)


async def test_speaks_every_piece_with_pauses_between() -> None:
    engine = ScriptedEngine(hum)
    async with speech_service(engine).stream(SpeechRequest(TEXT, audio_format="wav")) as stream:
        data = await stream.read()
    pcm = WavReader().decode(data, limits=ClipLimits()).pcm
    spoken = [utterance.text for utterance in engine.heard]
    assert " ".join(spoken) == TEXT
    assert stream.segments == stream.segments_done == len(spoken) == 3
    assert pcm.duration_s == pytest.approx(3 * 0.6 + 0.2, abs=0.001), "one pause, after the sentence, none in it"
    assert stream.timings.audio_s == pytest.approx(1.8, abs=0.001)
    order = [stream.timings.resolved_s, stream.timings.admitted_s, stream.timings.first_audio_s]
    assert order == sorted(order)
    assert stream.timings.finished_s >= order[-1] > 0


async def test_streamed_bytes_come_before_the_engine_is_done() -> None:
    async def hum_and_wait(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
        yield sine(440, 0.5)
        await asyncio.sleep(60)

    engine = ScriptedEngine(hum_and_wait)
    async with speech_service(engine).stream(SpeechRequest(TEXT, audio_format="mp3")) as stream:
        first = await anext(aiter(stream))
        assert first
        assert stream.segments_done < stream.segments
        assert engine.running == 1
    assert engine.running == 0, "leaving the stream closes the engine"


@pytest.mark.parametrize(("audio_format", "streaming"), [("wav", False), ("mp3", True)])
async def test_a_format_has_its_habit(audio_format: str, streaming: bool) -> None:
    service = speech_service(ScriptedEngine(hum))
    assert service.stream(SpeechRequest("Hello.", audio_format=audio_format)).streaming is streaming
    other = SpeechRequest("Hello.", audio_format=audio_format, streaming=not streaming)
    assert service.stream(other).streaming is not streaming


async def test_a_slow_reader_does_not_hold_the_engine() -> None:
    """What is made is kept for it, in memory or on disk, and the slot is free."""
    engine = ScriptedEngine(hum)
    for memory_bytes in (2**20, 0):
        service = speech_service(engine, slots=1, queue=0, spool_budget=SpoolBudget(memory_bytes=memory_bytes))
        async with service.stream(SpeechRequest(TEXT, audio_format="wav", streaming=True)) as slow:
            first = await anext(aiter(slow))
            async with asyncio.timeout(30):
                while engine.running or service.queue.running:
                    await asyncio.sleep(0.01)
            async with service.stream(SpeechRequest(TEXT, audio_format="wav")) as other:
                assert len(await other.read()) > 50_000
            assert len(first + await slow.read()) > 50_000


async def test_a_voice_that_is_replaced_while_its_request_waits_speaks_as_it_is_then() -> None:
    def audio(hz: int) -> VoiceAudio:
        data = wav(sine(hz, 1.5))
        return VoiceAudio(data, hashlib.sha256(data).hexdigest(), 1.5)

    store = MemoryStore()
    anna = await store.add(VoiceDraft("Anna"), audio(300))
    service = speech_service(ToneSynthesizer(pace=0.3), store=store, slots=1)
    first = asyncio.create_task(_speak(service, "anna"))
    second = asyncio.create_task(_speak(service, "anna"))
    await asyncio.sleep(0.05)
    await store.replace(anna.id, audio(500))
    assert frequency_hz(await first) == pytest.approx(300, rel=0.02)
    assert frequency_hz(await second) == pytest.approx(500, rel=0.02)


async def _speak(service: SpeechService, voice: str) -> Pcm:
    async with service.stream(SpeechRequest("Hello there.", voice=voice)) as stream:
        return WavReader().decode(await stream.read(), limits=ClipLimits(min_duration_s=0)).pcm


@pytest.mark.parametrize("silence", [(), (0,), (1e-4, -9e-4) * 5000, (float("nan"),) * 240, (0.0,) * 48_000])
@pytest.mark.parametrize("text", ["1.", "word.\n\n1.", "word.\n\n1.\n\nword."])
async def test_words_without_sound_are_an_error_wherever_they_stand(silence: tuple[float, ...], text: str) -> None:
    """Whether an engine yields nothing or silence for them; no answer is 200 and leaves words out."""

    async def hum_at_words(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
        if "word" in utterance.text:
            yield sine(440, 0.5)
        elif silence:
            yield Pcm.from_floats(silence, sample_rate_hz=24_000)

    for streaming in (True, False):
        with pytest.raises(InvalidInput) as caught:
            async with speech_service(ScriptedEngine(hum_at_words)).stream(
                SpeechRequest(text, streaming=streaming)
            ) as stream:
                await stream.read()
        assert (caught.value.code, caught.value.field) == ("unsupported_text", "text")
        assert "1." in str(caught.value), "the error shows the words"


async def test_the_uploaded_clip_is_the_voice() -> None:
    service = speech_service(ToneSynthesizer())
    async with service.stream(SpeechRequest("Hello there.", clip=wav(sine(333, 1.5)))) as stream:
        pcm = WavReader().decode(await stream.read(), limits=ClipLimits(min_duration_s=0)).pcm
    assert stream.voice.source == "upload"
    assert frequency_hz(pcm) == pytest.approx(333, rel=0.01)


async def test_speed_is_shared_between_engine_and_tempo() -> None:
    """The engine does what it declares, the encoder's tempo the rest; together it is what was asked for."""
    engine = ScriptedEngine(hum, speed=(0.5, 2.0))
    durations = {}
    for speed in (0.25, 1.0, 4.0):
        async with speech_service(engine).stream(SpeechRequest("Hello.", speed=speed)) as stream:
            data = await stream.read()
        durations[speed] = WavReader().decode(data, limits=ClipLimits(min_duration_s=0)).pcm.duration_s
    assert [utterance.speed for utterance in engine.heard] == [0.5, 1.0, 2.0]
    assert durations[0.25] == pytest.approx(1.2, abs=0.05)
    assert durations[4.0] == pytest.approx(0.3, abs=0.05)


async def test_the_bound_in_seconds_is_that_of_the_result() -> None:
    """Pauses and tempo included; of known pauses it is judged before the engine is asked."""
    engine = ScriptedEngine(hum, max_chars=400)
    service = speech_service(engine, limits=SpeechLimits(max_audio_s=2.0))
    for asked, heard in (
        ({"text": "One. [pause:2.1s] Two."}, 0),
        ({"text": "One. [pause:1.1s] Two.", "speed": 0.5}, 0),
        ({"text": "One. [pause:1s] Two.", "speed": 0.99}, 2),
        ({"text": "Hello.", "speed": 0.25}, 1),
    ):
        engine.heard.clear()
        with pytest.raises(InvalidInput) as caught:
            async with service.stream(SpeechRequest(**asked)) as stream:
                await stream.read()
        assert (caught.value.code, len(engine.heard)) == ("output_too_long", heard), asked
    for fits in ({"text": "One. [pause:700ms] Two."}, {"text": "One. [pause:2.2s] Two.", "speed": 2.0}):
        async with service.stream(SpeechRequest(**fits)) as stream:
            await stream.read()
        assert stream.timings.output_s <= 2.0


async def test_silence_without_end_has_an_end() -> None:
    async def be_silent(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
        while True:
            await asyncio.sleep(0)
            yield Pcm.silence(1.0, sample_rate_hz=24_000)

    engine = ScriptedEngine(be_silent)
    with pytest.raises(InvalidInput) as caught:
        async with speech_service(engine, limits=SpeechLimits(max_audio_s=5.0)).stream(
            SpeechRequest("Hello.")
        ) as stream:
            await stream.read()
    assert caught.value.code == "output_too_long"


async def test_the_slot_is_free_once_the_engine_is_closed_however_often_a_task_is_cancelled() -> None:
    closing = asyncio.Event()

    async def close_slowly(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
        try:
            yield sine(440, 0.2)
            await asyncio.sleep(60)
        finally:
            await closing.wait()

    engine = ScriptedEngine(close_slowly)
    service = speech_service(engine, slots=1)

    async def listen() -> None:
        async with service.stream(SpeechRequest("Hello.", streaming=True)) as stream:
            await stream.read()

    task = asyncio.create_task(listen())
    while not engine.running:
        await asyncio.sleep(0.01)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.02)
    await asyncio.gather(task, return_exceptions=True)
    assert (engine.running, service.queue.running) == (1, 1)
    closing.set()
    async with asyncio.timeout(30):
        while service.queue.running:
            await asyncio.sleep(0.01)
    assert engine.running == 0


async def test_a_text_that_has_nothing_to_say_is_a_short_silence() -> None:
    engine = ScriptedEngine(hum)
    for text, duration_s in (("...", 0.25), ("!?", 0.25), ("🙂", 0.25), ("[pause:1s]", 1.0)):
        async with speech_service(engine).stream(SpeechRequest(text)) as stream:
            data = await stream.read()
        samples = memoryview(data[44:]).cast("h")
        assert len(samples) / 24_000 == pytest.approx(duration_s)
        assert not any(samples)
    assert not engine.heard


async def test_a_voice_speaks_its_language_unless_the_request_says_otherwise() -> None:
    languages = (Language("en", "English"), Language("de", "German"), Language("pt-br", "Brazilian"))
    data = wav(sine(300, 1.5))
    audio = VoiceAudio(data, hashlib.sha256(data).hexdigest(), 1.5)
    store = MemoryStore()
    for name, language in (("Anna", "de"), ("Bert", "pt-BR"), ("Cleo", "sv"), ("Dora", None)):
        await store.add(VoiceDraft(name, language=language), audio)
    engine = ScriptedEngine(hum, languages=languages)
    service = speech_service(engine, store=store)
    for voice, asked, spoken in (
        ("anna", None, "de"),
        ("anna", "en", "en"),
        ("bert", None, "pt-br"),
        ("cleo", None, None),
        ("dora", None, None),
        (None, None, None),
    ):
        async with service.stream(SpeechRequest("Hello.", voice=voice, language=asked)) as stream:
            await stream.read()
        assert engine.heard[-1].language == spoken, voice
    anna = await store.get_by_name("anna")
    assert anna is not None
    await store.set_default(anna.id)
    async with service.stream(SpeechRequest("Hello.")) as stream:
        await stream.read()
    assert engine.heard[-1].language == "de", "the default voice has its language too"


async def test_a_stream_that_is_not_entered_says_how_it_is_used() -> None:
    stream = speech_service(ScriptedEngine(hum)).stream(SpeechRequest("Hello."))
    for use in (lambda: stream.read(), lambda: stream.size_bytes(), lambda: _each(stream)):
        with pytest.raises(RuntimeError, match="async with"):
            await use()
    with pytest.raises(RuntimeError, match="async with"):
        _ = stream.voice


async def _each(stream: SpeechStream) -> None:
    async for _ in stream:
        pass


async def test_speed_beyond_engine_and_encoder_is_refused() -> None:
    service = speech_service(ScriptedEngine(hum), encoders=[WavEncoder()])
    with pytest.raises(InvalidInput) as caught:
        service.stream(SpeechRequest("Hello.", speed=1.5))
    assert caught.value.code == "invalid_speed"


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        ({"text": " "}, "empty_input", "text"),
        ({"text": "a" * 5000}, "input_too_long", "text"),
        ({"audio_format": "MP4"}, "unsupported_format", "audio_format"),
        ({"audio_format": ""}, "unsupported_format", "audio_format"),
        ({"speed": 0.24}, "invalid_speed", "speed"),
        ({"speed": 4.01}, "invalid_speed", "speed"),
        ({"speed": float("nan")}, "invalid_speed", "speed"),
        ({"language": "xx"}, "unsupported_language", "language"),
        ({"seed": -1}, "invalid_seed", "seed"),
        ({"seed": 2**63}, "invalid_seed", "seed"),
        ({"parameters": {"warmth": 1.1}}, "invalid_parameter", "warmth"),
        ({"parameters": {"warmth": "hot"}}, "invalid_parameter", "warmth"),
        ({"parameters": {"warmth": float("nan")}}, "invalid_parameter", "warmth"),
        ({"parameters": {"steps": 1.5}}, "invalid_parameter", "steps"),
        ({"parameters": {"steps": float("inf")}}, "invalid_parameter", "steps"),
        ({"parameters": {"steps": 10**400}}, "invalid_parameter", "steps"),
        ({"parameters": {"style": 3}}, "invalid_parameter", "style"),
    ],
)
async def test_each_bad_argument_is_named(arguments: dict[str, object], code: str, field: str) -> None:
    specs = (
        ParameterSpec("warmth", "float", 0.5, minimum=0.0, maximum=1.0),
        ParameterSpec("steps", "int", 10, minimum=1, maximum=20),
        ParameterSpec("style", "str", "plain"),
    )
    engine = ScriptedEngine(hum, parameters=specs)
    with pytest.raises(InvalidInput) as caught:
        speech_service(engine).stream(SpeechRequest(**{"text": "Hello.", **arguments}))  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.field) == (code, field)
    assert not engine.heard


async def test_parameters_of_other_engines_are_ignored() -> None:
    engine = ScriptedEngine(hum, parameters=(ParameterSpec("warmth", "float", 0.5, minimum=0.0, maximum=1.0),))
    async with speech_service(engine).stream(
        SpeechRequest("Hi.", parameters={"warmth": 1, "cfg_weight": 0.3})
    ) as stream:
        await stream.read()
    assert engine.heard[0].parameters == {"warmth": 1.0}


async def fail_at_once(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
    raise RuntimeError("the device is on fire")
    yield


async def fail_later(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
    yield sine(440, 0.5)
    raise RuntimeError("the device is on fire")


async def time_out(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
    raise TimeoutError
    yield


async def hang(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
    await asyncio.sleep(60)
    yield sine(440, 0.5)


async def say_nothing(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
    return
    yield


async def change_rate(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
    yield sine(440, 0.5, sample_rate_hz=16_000)


@pytest.mark.parametrize(
    ("script", "expected", "code"),
    [
        (fail_at_once, SynthesisFailed, "synthesis_failed"),
        (fail_later, SynthesisFailed, "synthesis_failed"),
        (time_out, SynthesisFailed, "synthesis_failed"),
        (hang, DeadlineExceeded, "engine_timeout"),
        (say_nothing, InvalidInput, "unsupported_text"),
        (change_rate, SynthesisFailed, "synthesis_failed"),
    ],
)
async def test_a_failing_engine_ends_one_request(
    script: Callable[[Utterance], AsyncGenerator[Pcm, None]], expected: type[ChatterboxError], code: str
) -> None:
    """With an error of ours that does not tell strangers what the engine said, and the place is free again."""
    engine = ScriptedEngine(script)
    service = speech_service(engine, queue=0, limits=SpeechLimits(engine_wait_s=0.05))
    for _ in range(3):
        with pytest.raises(expected) as caught:
            async with service.stream(SpeechRequest("Hello.")) as stream:
                await stream.read()
        assert caught.value.code == code
        assert "fire" not in str(caught.value)
    assert engine.running == 0
    assert service.queue.running == 0


async def test_a_flood_is_refused_before_anything_is_fetched() -> None:
    engine = ScriptedEngine(hang)
    service = speech_service(engine, queue=1)
    tasks = [asyncio.create_task(_read(service)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        async with service.stream(SpeechRequest("Hello.", voice="unknown", clip=b"nonsense")):
            pass
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (service.queue.running, service.queue.waiting, engine.running) == (0, 0, 0)


async def _read(service: object) -> None:
    async with service.stream(SpeechRequest("Hello.")) as stream:  # type: ignore[attr-defined]
        await stream.read()


async def test_an_unknown_voice_gives_its_place_back() -> None:
    service = speech_service(ScriptedEngine(hum), queue=0)
    for _ in range(3):
        with pytest.raises(NotFound):
            async with service.stream(SpeechRequest("Hello.", voice="nobody")):
                pass
    async with service.stream(SpeechRequest("Hello.")) as stream:
        assert level(WavReader().decode(await stream.read(), limits=ClipLimits(min_duration_s=0)).pcm.samples) > 0.1


async def test_the_first_encoder_that_offers_a_format_has_it() -> None:
    reference = WavEncoder()
    service = speech_service(ScriptedEngine(hum), encoders=[reference])
    assert [offered.name for offered in service.formats] == ["wav"]
    with pytest.raises(InvalidInput):
        service.stream(SpeechRequest("Hello.", audio_format="mp3"))


async def _seconds_of(text: str, **asked: Any) -> tuple[float, ScriptedEngine]:
    engine = ScriptedEngine(hum)
    async with speech_service(engine).stream(SpeechRequest(text, audio_format="wav", **asked)) as stream:
        return WavReader().decode(await stream.read(), limits=ClipLimits()).pcm.duration_s, engine


async def test_pauses_are_those_of_the_text_of_the_request_or_of_the_service() -> None:
    two = "One sentence.\n\nAnother paragraph."
    assert (await _seconds_of(two))[0] == pytest.approx(1.2 + 0.5, abs=0.001)
    assert (await _seconds_of(two, paragraph_pause_s=2.0))[0] == pytest.approx(1.2 + 2.0, abs=0.001)
    assert (await _seconds_of("One. [pause:900ms] Two."))[0] == pytest.approx(1.2 + 0.9, abs=0.001)
    assert (await _seconds_of("[pause:1s] One. [pause:1s]"))[0] == pytest.approx(1.0 + 0.6 + 1.0, abs=0.001)
    seconds, engine = await _seconds_of("One. Two. Three.", sentence_pause_s=0.3)
    assert seconds == pytest.approx(3 * 0.6 + 2 * 0.3, abs=0.001)
    assert [utterance.text for utterance in engine.heard] == ["One.", "Two.", "Three."]


async def test_the_rate_and_the_ends_can_be_asked_for() -> None:
    async def hesitant(utterance: Utterance) -> AsyncGenerator[Pcm, None]:
        yield Pcm.silence(0.5, sample_rate_hz=24_000)
        yield sine(440, 1.0)
        yield Pcm.silence(0.5, sample_rate_hz=24_000)

    service = speech_service(ScriptedEngine(hesitant))
    options = EncodeOptions(sample_rate_hz=16_000, trim=True)
    request = SpeechRequest("Hello.", audio_format="wav", options=options)
    async with service.stream(request) as stream:
        pcm = WavReader().decode(await stream.read(), limits=ClipLimits()).pcm
    assert pcm.sample_rate_hz == 16_000
    assert pcm.duration_s == pytest.approx(1.1, abs=0.03)
    assert frequency_hz(middle(pcm)) == pytest.approx(440, rel=0.02)


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"options": EncodeOptions(sample_rate_hz=7_999)}, "invalid_sample_rate", "sample_rate_hz"),
        ({"options": EncodeOptions(sample_rate_hz=48_001)}, "invalid_sample_rate", "sample_rate_hz"),
        (
            {"options": EncodeOptions(sample_rate_hz=44_100), "audio_format": "opus"},
            "invalid_sample_rate",
            "sample_rate_hz",
        ),
        ({"options": EncodeOptions(loudness_lufs=-41.0)}, "invalid_loudness", "loudness_lufs"),
        ({"options": EncodeOptions(loudness_lufs=float("nan"))}, "invalid_loudness", "loudness_lufs"),
        ({"sentence_pause_s": -0.1}, "invalid_pause", "sentence_pause_s"),
        ({"paragraph_pause_s": 10.1}, "invalid_pause", "paragraph_pause_s"),
        ({"paragraph_pause_s": float("nan")}, "invalid_pause", "paragraph_pause_s"),
    ],
)
async def test_what_cannot_be_delivered_is_refused(asked: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        speech_service(ScriptedEngine(hum)).stream(SpeechRequest("Hello.", **asked))
    assert (caught.value.code, caught.value.field) == (code, field)


async def test_an_effect_that_no_encoder_has_is_refused() -> None:
    service = speech_service(ScriptedEngine(hum), encoders=[WavEncoder()])
    with pytest.raises(InvalidInput) as caught:
        service.stream(SpeechRequest("Hello.", options=EncodeOptions(trim=True)))
    assert caught.value.code == "unsupported_effect"
