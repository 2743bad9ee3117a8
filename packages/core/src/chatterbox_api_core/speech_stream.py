"""One request for speech on its way: from its place in the queue to its last byte.

A stream is a context manager, and leaving it at any point, by its end, an error or a client that went away, closes
the engine's generator and gives the place back. The place is also given back when all is made, whether or not it has
been read: an engine does not wait for a slow client (`run_ahead`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any

from chatterbox_api_core.admission import Admission
from chatterbox_api_core.errors import ChatterboxError, DeadlineExceeded, InvalidInput, SynthesisFailed
from chatterbox_api_core.joins import Joiner
from chatterbox_api_core.model import AudioFormat, Pcm, Utterance
from chatterbox_api_core.ports import Encoder, Encoding, Synthesizer
from chatterbox_api_core.resolution import ResolvedVoice, VoiceResolver
from chatterbox_api_core.run_ahead import RunAhead
from chatterbox_api_core.text import TextSegment

__all__ = ["Pauses", "SpeechLimits", "SpeechStream", "Timings", "Workshop"]


@dataclass(frozen=True, slots=True)
class Pauses:
    """Between the pieces of a text, in seconds, unless a request or the text itself asks for others."""

    sentence_s: float = 0.2
    paragraph_s: float = 0.5

    def at(self, piece: TextSegment) -> float:
        """The pause behind a piece."""
        if piece.pause_s is not None:
            return piece.pause_s
        return {
            "clause": 0.0,
            "sentence": self.sentence_s,
            "line": self.sentence_s,
            "paragraph": self.paragraph_s,
        }[piece.boundary]


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


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all requests of a service share.

    Attributes:
        engine: the engine's name, as configured.
    """

    engine: str
    synthesizer: Synthesizer
    voices: VoiceResolver
    admission: Admission
    limits: SpeechLimits


class SpeechStream:
    """One request on its way: `async with` begins and ends it, `async for` yields its bytes.

    Attributes:
        voice: who speaks; known once entered.
        pieces_done, pieces: progress.
    """

    def __init__(
        self,
        *,
        pieces: tuple[TextSegment, ...],
        pauses: Pauses,
        template: Utterance,
        asked: tuple[str | None, bytes | None],
        audio_format: AudioFormat,
        encoder: Encoder,
        complete: bool,
        delivery: Mapping[str, Any],
        workshop: Workshop,
    ) -> None:
        self.audio_format, self.complete, self.engine = audio_format, complete, workshop.engine
        self.timings = Timings()
        self.pieces, self.pieces_done = len(pieces), 0
        self.voice: ResolvedVoice
        self._pieces, self._pauses, self._template, self._asked = pieces, pauses, template, asked
        self._encoder, self._delivery, self._workshop = encoder, delivery, workshop
        self._stack = AsyncExitStack()
        self._bytes: RunAhead

    async def __aenter__(self) -> SpeechStream:
        """Take a place, resolve the voice, wait for the turn, begin. Raises as the first three do."""
        shop = self._workshop
        async with AsyncExitStack() as stack:
            ticket = stack.enter_context(shop.admission.enter())
            voice, clip = self._asked
            self.voice = await shop.voices.resolve(voice=voice, clip=clip)
            self.timings.resolved_s = self.timings.now()
            if await ticket.turn():
                self.voice = await shop.voices.refresh(self.voice)
            self.timings.admitted_s = self.timings.now()
            self._bytes = RunAhead(self._encoded(), max_bytes=shop.limits.run_ahead_bytes, on_done=ticket.close)
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
        rate_hz = self._workshop.synthesizer.capabilities.rate_hz
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
        template, wait_s = self._template, self._workshop.limits.engine_wait_s
        utterance = Utterance(text, template.language, template.speed, template.seed, template.params)
        try:
            async with aclosing(self._workshop.synthesizer.speak(utterance, self.voice.prompt)) as engine:
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
