"""The use case: text in, speech out.

    admit -> resolve the voice -> wait for the turn -> per piece: synthesize -> encode -> bytes

A stream is a context manager, and leaving it at any point, by its end, an error or a client that went away, closes
the engine's generator and gives the place back. The place is also given back when all is made, whether or not it has
been read: an engine does not wait for a slow client (`run_ahead`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any

from chatterbox_api_core import text as texts
from chatterbox_api_core.admission import Admission
from chatterbox_api_core.errors import ChatterboxError, DeadlineExceeded, InvalidInput, SynthesisFailed
from chatterbox_api_core.joins import Joiner
from chatterbox_api_core.model import AudioFormat, Capabilities, Pcm, Utterance
from chatterbox_api_core.parameters import (
    check_delivery,
    check_language,
    check_params,
    check_pause,
    check_seed,
    check_speed,
)
from chatterbox_api_core.ports import Encoder, Encoding, Synthesizer
from chatterbox_api_core.resolution import ResolvedVoice, VoiceResolver
from chatterbox_api_core.run_ahead import RunAhead

__all__ = ["Pauses", "SpeechLimits", "SpeechService", "SpeechStream", "Timings"]


@dataclass(frozen=True, slots=True)
class Pauses:
    """Between the pieces of a text, in seconds, unless a request or the text itself asks for others."""

    sentence_s: float = 0.2
    paragraph_s: float = 0.5

    def at(self, piece: texts.Piece) -> float:
        """The pause behind a piece."""
        if piece.pause_s is not None:
            return piece.pause_s
        return {"clause": 0.0, "sentence": self.sentence_s, "paragraph": self.paragraph_s}[piece.ends]


@dataclass(frozen=True, slots=True)
class SpeechLimits:
    """Bounds of one request.

    Attributes:
        max_chars: of the text.
        engine_wait_s: the longest wait for the engine's next stretch of sound.
        run_ahead_bytes: what may wait for a slow client before the engine waits too.
    """

    max_chars: int = 4096
    engine_wait_s: float = 120.0
    run_ahead_bytes: int = 4 * 2**20


@dataclass(slots=True)
class Timings:
    """Where the time of one request went, in seconds since it began; 0 where it has not been yet."""

    resolved_s: float = 0.0
    admitted_s: float = 0.0
    first_audio_s: float = 0.0
    finished_s: float = 0.0
    audio_s: float = 0.0
    _began: float = field(default_factory=time.perf_counter, repr=False)

    def now(self) -> float:
        return time.perf_counter() - self._began


class SpeechService:
    """Speaks: with this engine, into these formats, in these voices.

    Args:
        engine: the engine's name, as configured.
        encoders: asked in order; the first that offers a format has it.
    """

    def __init__(
        self,
        *,
        engine: str,
        synthesizer: Synthesizer,
        encoders: Sequence[Encoder],
        voices: VoiceResolver,
        admission: Admission,
        limits: SpeechLimits | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        self.engine = engine
        self.pauses = pauses or Pauses()
        self.limits = limits or SpeechLimits()
        self.admission = admission
        self._synthesizer, self._voices = synthesizer, voices
        self._encoders: dict[str, tuple[AudioFormat, Encoder]] = {}
        for encoder in encoders:
            for offered in encoder.formats:
                self._encoders.setdefault(offered.name, (offered, encoder))

    @property
    def capabilities(self) -> Capabilities:
        return self._synthesizer.capabilities

    @property
    def formats(self) -> tuple[AudioFormat, ...]:
        return tuple(offered for offered, _ in self._encoders.values())

    async def ready(self) -> None:
        """Return when the engine can speak; raise Unavailable with the cause when it cannot."""
        await self._synthesizer.ready()

    def stream(
        self,
        text: str,
        *,
        voice: str | None = None,
        clip: bytes | None = None,
        audio_format: str = "wav",
        complete: bool | None = None,
        language: str | None = None,
        speed: float = 1.0,
        seed: int | None = None,
        params: Mapping[str, float | int | str] | None = None,
        rate_hz: int | None = None,
        loudness_lufs: float | None = None,
        trim: bool = False,
        sentence_pause_s: float | None = None,
        paragraph_pause_s: float | None = None,
    ) -> SpeechStream:
        """Check a request; entering the stream begins it.

        Args:
            voice: id, name or alias; has priority over `clip`.
            clip: a clip to sound like.
            complete: a body of true sizes at the end, rather than bytes as they are made; None is the format's habit.
            speed: from 0.25 to 4.
            params: the engine's own parameters, see its capabilities.
            rate_hz: of the result, from 8,000 to 48,000, as far as the format can have it; the nearest to the
                engine's when None.
            loudness_lufs: EBU R128 target, from -40 to -5; the engine's own when None.
            trim: whether silence at both ends is cut off.
            sentence_pause_s, paragraph_pause_s: from 0 to 10; the service's own when None. With one between sentences
                each is spoken by itself.

        Raises:
            InvalidInput: names the field that cannot be accepted.
        """
        capabilities = self.capabilities
        cleaned = texts.clean(text, max_chars=self.limits.max_chars)
        offered, encoder = self._encoder_for(audio_format)
        native, tempo = check_speed(speed, capabilities=capabilities, encoder=encoder)
        delivery = check_delivery(
            audio_format=offered, encoder=encoder, rate_hz=rate_hz, loudness_lufs=loudness_lufs, trim=trim
        )
        if tempo != 1.0:
            delivery["tempo"] = tempo
        sentence_s = check_pause(sentence_pause_s, field="sentence_pause_ms")
        paragraph_s = check_pause(paragraph_pause_s, field="paragraph_pause_ms")
        return SpeechStream(
            pieces=texts.split(cleaned, max_chars=capabilities.max_chars, each_sentence=sentence_s is not None),
            pauses=Pauses(
                self.pauses.sentence_s if sentence_s is None else sentence_s,
                self.pauses.paragraph_s if paragraph_s is None else paragraph_s,
            ),
            template=Utterance(
                text="",
                language=check_language(language, capabilities=capabilities),
                speed=native,
                seed=check_seed(seed),
                params=check_params(params or {}, capabilities=capabilities),
            ),
            asked=(voice, clip),
            audio_format=offered,
            encoder=encoder,
            complete=not offered.streams if complete is None else complete,
            delivery=delivery,
            service=self,
        )

    def _encoder_for(self, name: str) -> tuple[AudioFormat, Encoder]:
        try:
            return self._encoders[name]
        except KeyError:
            raise InvalidInput(
                f"The format {name[:32]!r} is not offered.",
                code="unsupported_format",
                field="response_format",
                remedy=f"Use one of {', '.join(self._encoders)}.",
            ) from None


class SpeechStream:
    """One request on its way: `async with` begins and ends it, `async for` yields its bytes.

    Attributes:
        voice: who speaks; known once entered.
        pieces_done, pieces: progress.
    """

    def __init__(
        self,
        *,
        pieces: tuple[texts.Piece, ...],
        pauses: Pauses,
        template: Utterance,
        asked: tuple[str | None, bytes | None],
        audio_format: AudioFormat,
        encoder: Encoder,
        complete: bool,
        delivery: Mapping[str, Any],
        service: SpeechService,
    ) -> None:
        self.audio_format, self.complete, self.engine = audio_format, complete, service.engine
        self.timings = Timings()
        self.pieces, self.pieces_done = len(pieces), 0
        self.voice: ResolvedVoice
        self._pieces, self._pauses, self._template, self._asked = pieces, pauses, template, asked
        self._encoder, self._delivery, self._service = encoder, delivery, service
        self._stack = AsyncExitStack()
        self._bytes: RunAhead

    async def __aenter__(self) -> SpeechStream:
        """Take a place, resolve the voice, wait for the turn, begin. Raises as the first three do."""
        service = self._service
        async with AsyncExitStack() as stack:
            ticket = stack.enter_context(service.admission.enter())
            voice, clip = self._asked
            self.voice = await service._voices.resolve(voice=voice, clip=clip)
            self.timings.resolved_s = self.timings.now()
            if await ticket.turn():
                self.voice = await service._voices.refresh(self.voice)
            self.timings.admitted_s = self.timings.now()
            self._bytes = RunAhead(self._encoded(), max_bytes=service.limits.run_ahead_bytes, on_done=ticket.close)
            stack.push_async_callback(self._bytes.aclose)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._bytes

    async def read(self) -> bytes:
        """All of the remaining bytes."""
        return b"".join([data async for data in self._bytes])

    async def _encoded(self) -> AsyncGenerator[bytes, None]:
        rate_hz = self._service.capabilities.rate_hz
        encoding: Encoding = await asyncio.to_thread(
            self._encoder.open, self.audio_format, rate_hz=rate_hz, complete=self.complete, **self._delivery
        )
        async with aclosing(self._sound(rate_hz)) as sound:
            async for pcm in sound:
                if data := await asyncio.to_thread(encoding.feed, pcm):
                    yield data
        if data := await asyncio.to_thread(encoding.finish):
            yield data
        self.timings.finished_s = self.timings.now()

    async def _sound(self, rate_hz: int) -> AsyncGenerator[Pcm, None]:
        """The sound of all pieces as one, with pauses between those that sound."""
        joiner, pause_s = Joiner(rate_hz), 0.0
        for piece in self._pieces:
            sounds = False
            async with aclosing(self._spoken(piece.text)) as spoken:
                async for pcm in spoken:
                    if pcm.rate_hz != rate_hz:
                        raise SynthesisFailed(f"The engine declared {rate_hz} Hz and yielded {pcm.rate_hz} Hz.")
                    if not len(pcm):
                        continue
                    if not sounds and (pause_s or self.timings.audio_s):
                        yield joiner.next_piece(pause_s)
                        pause_s = 0.0
                    sounds = True
                    self.timings.first_audio_s = self.timings.first_audio_s or self.timings.now()
                    self.timings.audio_s += pcm.duration_s
                    yield joiner.push(pcm)
            self.pieces_done += 1
            if self.timings.audio_s or piece.pause_s is not None:
                pause_s = max(pause_s, self._pauses.at(piece))
        if not self.timings.audio_s:
            raise InvalidInput(
                "The engine finds nothing in this text that it could say.", code="unsupported_text", field="input"
            )
        yield joiner.finish()
        if (asked_s := self._pieces[-1].pause_s) is not None:
            yield Pcm.silence(asked_s, rate_hz=rate_hz)

    async def _spoken(self, text: str) -> AsyncGenerator[Pcm, None]:
        """One piece from the engine, within its time; a failure of any kind becomes one of core's errors."""
        if not text:
            return
        template, wait_s = self._template, self._service.limits.engine_wait_s
        utterance = Utterance(text, template.language, template.speed, template.seed, template.params)
        try:
            async with aclosing(self._service._synthesizer.speak(utterance, self.voice.prompt)) as engine:
                while (pcm := await _next(engine, wait_s)) is not None:
                    yield pcm
        except ChatterboxError:
            raise
        except Exception as error:
            raise SynthesisFailed(f"The engine failed: {type(error).__name__}.") from error


async def _next(engine: AsyncGenerator[Pcm, None], wait_s: float) -> Pcm | None:
    """The engine's next sound, None at its end. Raises DeadlineExceeded."""
    patience = asyncio.timeout(wait_s)
    try:
        async with patience:
            return await anext(engine, None)
    except TimeoutError as error:
        if not patience.expired():
            raise
        raise DeadlineExceeded(
            f"The engine gave no sound for {wait_s:g} s.",
            code="engine_timeout",
            retry_after_s=math.ceil(wait_s / 10),
        ) from error
