"""One request for speech on its way: from its reservation in the queue to its last byte.

A stream is a context manager, and leaving it at any point, by its end, an error or a client that went away, closes
the engine's generator and frees the slot. The slot is also free with the engine's last sound, whether or not that has
been encoded or read: an engine waits neither for its encoder (`_background_encoder`) nor for a client (`_read_ahead`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from chatterbox_api_core import text as texts
from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_core.ports import Encoder, Synthesizer
from chatterbox_api_core.speech._background_encoder import BackgroundEncoder
from chatterbox_api_core.speech._encoder_pool import EncoderPool
from chatterbox_api_core.speech._read_ahead import ReadAhead
from chatterbox_api_core.speech._sound import Pauses, SpeechSound, output_too_long, pauses_s
from chatterbox_api_core.speech.parameters import supported_language
from chatterbox_api_core.speech.request import SpeechRequest
from chatterbox_api_core.speech.request_queue import RequestQueue, Reservation
from chatterbox_api_core.speech.spool import Spool, SpoolBudget
from chatterbox_api_core.text import TextSegment
from chatterbox_api_core.types import AudioFormat, EncodeOptions, Utterance
from chatterbox_api_core.voices.voice_resolver import ResolvedVoice, VoiceResolver

__all__ = ["SpeechDependencies", "SpeechJob", "SpeechLimits", "SpeechStream", "Timings"]


@dataclass(frozen=True, slots=True)
class SpeechLimits:
    """Bounds of one request.

    Attributes:
        max_chars: of the text.
        max_audio_s: of the result, pauses included.
        max_body_bytes: of the result.
        engine_wait_s: the longest wait for the engine's next stretch of sound.
        encoder_wait_s: the longest call of the encoder.
    """

    max_chars: int = 4096
    max_audio_s: float = 1800.0
    max_body_bytes: int = 512 * 2**20
    engine_wait_s: float = 120.0
    encoder_wait_s: float = 60.0


@dataclass(slots=True)
class Timings:
    """Where the time of one request went, in seconds since it began; 0 where it has not been yet.

    Attributes:
        spoken_s: when the engine had yielded its last sound.
        finished_s: when all was encoded.
        audio_s: how much the engine has spoken.
        output_s: how long the result sounds, pauses and tempo included.
    """

    resolved_s: float = 0.0
    admitted_s: float = 0.0
    first_audio_s: float = 0.0
    spoken_s: float = 0.0
    finished_s: float = 0.0
    audio_s: float = 0.0
    output_s: float = 0.0
    _began: float = field(default_factory=time.perf_counter, repr=False)

    def now(self) -> float:
        return time.perf_counter() - self._began


@dataclass(frozen=True, slots=True)
class SpeechJob:
    """One request, checked.

    Attributes:
        request: as it came; how its text is read and cut depends on the language, which the voice may decide.
        template: what all its utterances have in common; its language is the one that is requested, if any.
        pauses: between the segments.
        streaming: whether bytes leave as they are made, rather than as a body of true sizes at the end.
        options: for the encoder, the tempo included that makes up for the engine's speed.
    """

    request: SpeechRequest
    template: Utterance
    pauses: Pauses
    audio_format: AudioFormat
    encoder: Encoder
    streaming: bool
    options: EncodeOptions

    @property
    def each_sentence(self) -> bool:
        """Whether each sentence is spoken by itself, so that the requested pause can follow it."""
        return self.request.sentence_pause_s is not None


@dataclass(frozen=True, slots=True)
class SpeechDependencies:
    """What all requests of a service share.

    Attributes:
        engine: the engine's name, as configured.
    """

    engine: str
    synthesizer: Synthesizer
    voices: VoiceResolver
    queue: RequestQueue
    limits: SpeechLimits
    spool_budget: SpoolBudget
    encoder_pool: EncoderPool


class SpeechStream:
    """One request on its way: `async with` begins and ends it, `async for` yields its bytes.

    Attributes:
        audio_format, streaming, engine: what the bytes are, how they come, and who speaks.
        timings: where the time of the request went.
        on_clip_done: called once an uploaded clip is no longer needed nor held, while its sound may still be read: when
            another voice has priority, and when all is spoken. Not called where the stream cannot be entered.
    """

    def __init__(self, job: SpeechJob, dependencies: SpeechDependencies) -> None:
        self.audio_format, self.streaming, self.engine = job.audio_format, job.streaming, dependencies.engine
        self.timings = Timings()
        self.on_clip_done: Callable[[], None] = _nothing
        self._job, self._dependencies = job, dependencies
        self._voice: ResolvedVoice | None = None
        self._sound: SpeechSound | None = None
        self._bytes: ReadAhead | None = None
        self._template = job.template
        self._segments: tuple[TextSegment, ...] = ()

    @property
    def voice(self) -> ResolvedVoice:
        """Who speaks, with the prompt of an upload until all is spoken. RuntimeError before the stream is entered."""
        if self._voice is None:
            raise _not_entered()
        return self._voice

    @property
    def segments(self) -> int:
        """How many segments the text has; 0 before the stream is entered."""
        return len(self._segments)

    @property
    def segments_done(self) -> int:
        """How many of them are spoken."""
        return 0 if self._sound is None else self._sound.segments_done

    async def __aenter__(self) -> SpeechStream:
        """Make a reservation, resolve the voice, wait for a slot, begin.

        Raises:
            Overloaded, DeadlineExceeded: the queue is full, or no slot becomes free in time.
            InvalidInput: `output_too_long`, the pauses alone take more time than is allowed.
            ChatterboxError: what resolving the voice raises.
        """
        job, shared = self._job, self._dependencies
        async with AsyncExitStack() as stack:
            reservation = stack.enter_context(shared.queue.reserve())
            self._prepare(await shared.voices.resolve(voice=job.request.voice, clip=job.request.clip))
            self._job = job = replace(job, request=replace(job.request, clip=None))  # an upload's prompt has it
            if self.voice.source != "upload":
                self.on_clip_done()
            self.timings.resolved_s = self.timings.now()
            if await reservation.wait():
                # It may have been replaced, or given another language, while this request waited.
                self._prepare(await shared.voices.refresh(self.voice))
            self.timings.admitted_s = self.timings.now()
            spool = Spool(shared.spool_budget, max_bytes=shared.limits.max_body_bytes)
            on_done = partial(self._all_spoken, reservation)
            self._bytes = ReadAhead(spool, streaming=job.streaming, on_done=on_done)
            self._bytes.start(self._make(spool, self._bytes.advance, reservation))
            stack.pop_all()  # the slot is free once the work is closed, and not when someone tires of waiting for that
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._entered().aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._entered()

    async def read(self) -> bytes:
        """All of the remaining bytes."""
        return b"".join([data async for data in self._entered()])

    async def size_bytes(self) -> int:
        """How many bytes the result has, once all of it is made. Raises what making it raises."""
        return await self._entered().size_bytes()

    def _all_spoken(self, reservation: Reservation) -> None:
        """Give the engine's slot back: nobody's encoder, disk or client keeps it from the next request."""
        reservation.close()
        self.timings.spoken_s = self.timings.spoken_s or self.timings.now()
        if self._sound is not None:
            self._sound.release()
        if self.voice.source == "upload" and self.voice.prompt is not None:
            self._voice = replace(self.voice, prompt=None)
            self.on_clip_done()

    def _entered(self) -> ReadAhead:
        if self._bytes is None:
            raise _not_entered()
        return self._bytes

    def _prepare(self, voice: ResolvedVoice) -> None:
        """Take this voice, speak its language unless the request names one, and cut the text accordingly."""
        job, capabilities = self._job, self._dependencies.synthesizer.capabilities
        own = None if voice.voice is None else voice.voice.language
        language = job.template.language or supported_language(own, capabilities=capabilities)
        self._voice = voice
        if self._segments and language == self._template.language:
            return
        self._template = replace(job.template, language=language)
        self._segments = texts.segment(
            job.request.text,
            text_format=job.request.text_format,
            language=language or capabilities.default_language,
            max_chars=capabilities.max_chars,
            each_sentence=job.each_sentence,
        )
        if pauses_s(self._segments, job.pauses) / job.options.tempo > self._dependencies.limits.max_audio_s:
            raise output_too_long(self._dependencies.limits.max_audio_s)

    async def _make(self, spool: Spool, advance: Callable[[], None], reservation: Reservation) -> None:
        """Speak, and encode into the spool beside it."""
        job, shared, timings = self._job, self._dependencies, self.timings
        sound = self._sound = SpeechSound(
            shared.synthesizer,
            self._segments,
            template=self._template,
            prompt=self.voice.prompt,
            pauses=job.pauses,
            engine_wait_s=shared.limits.engine_wait_s,
            max_s=shared.limits.max_audio_s * job.options.tempo,
            on_spoken=partial(self._all_spoken, reservation),
        )
        with self._open_encoder(spool, advance) as encoder:
            try:
                async with aclosing(sound.pcm()) as pcms:
                    async for pcm in pcms:
                        if sound.spoken_s:
                            timings.first_audio_s = timings.first_audio_s or timings.now()
                        timings.audio_s, timings.output_s = sound.spoken_s, sound.made_s / job.options.tempo
                        await encoder.push(pcm)
            except ChatterboxError:
                self._all_spoken(reservation)
                await encoder.drain()  # what was spoken before a failure is heard before it
                raise
            await encoder.finish()
            timings.finished_s = timings.now()

    @contextmanager
    def _open_encoder(self, spool: Spool, advance: Callable[[], None]) -> Generator[BackgroundEncoder, None, None]:
        """The request's encoder, whose failure is raised where this task waits, be it for the engine's next sound."""
        job, shared = self._job, self._dependencies
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        is_interrupted = False

        def interrupt() -> None:
            """End a wait for the engine; any other is over soon, and what the engine does to close is not cut short."""
            nonlocal is_interrupted
            if self._sound is not None and self._sound.is_waiting and not task.cancelling():
                is_interrupted = task.cancel()

        encoder = BackgroundEncoder(
            partial(
                job.encoder.open,
                job.audio_format,
                spool,
                input_rate_hz=shared.synthesizer.capabilities.sample_rate_hz,
                streaming=job.streaming,
                options=job.options,
            ),
            spool=spool,
            pool=shared.encoder_pool,
            inline=job.audio_format.name in job.encoder.inline_formats and not job.options.effects,
            deadline_s=shared.limits.encoder_wait_s,
            on_written=advance,
            on_failure=interrupt,
        )
        try:
            yield encoder
        except asyncio.CancelledError:
            if encoder.failure is None or not is_interrupted or task.uncancel():
                raise  # somebody else has cancelled it too
            raise encoder.failure from encoder.failure.__cause__
        finally:
            encoder.close()


def _nothing() -> None:
    """Nobody waits for the clip."""


def _not_entered() -> RuntimeError:
    return RuntimeError("The stream has not begun: use `async with service.stream(...) as stream`.")
