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
from typing import Final

from chatterbox_api_core import text as texts
from chatterbox_api_core.admission import Admission
from chatterbox_api_core.errors import ChatterboxError, DeadlineExceeded, InvalidInput, SynthesisFailed
from chatterbox_api_core.model import AudioFormat, Capabilities, Pcm, Utterance
from chatterbox_api_core.parameters import check_language, check_params, check_seed, check_speed
from chatterbox_api_core.ports import Encoder, Encoding, Synthesizer
from chatterbox_api_core.resolution import ResolvedVoice, VoiceResolver
from chatterbox_api_core.run_ahead import RunAhead

__all__ = ["SpeechLimits", "SpeechService", "SpeechStream", "Timings"]

_PAUSE_S: Final[Mapping[texts.Boundary, float]] = {"clause": 0.0, "sentence": 0.2, "paragraph": 0.5}


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
    ) -> None:
        self.engine = engine
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
    ) -> SpeechStream:
        """Check a request; entering the stream begins it.

        Args:
            voice: id, name or alias; has priority over `clip`.
            clip: a clip to sound like.
            complete: a body of true sizes at the end, rather than bytes as they are made; None is the format's habit.
            speed: from 0.25 to 4.
            params: the engine's own parameters, see its capabilities.

        Raises:
            InvalidInput: names the field that cannot be accepted.
        """
        capabilities = self.capabilities
        cleaned = texts.clean(text, max_chars=self.limits.max_chars)
        offered, encoder = self._encoder_for(audio_format)
        native, tempo = check_speed(speed, capabilities=capabilities, encoder=encoder)
        return SpeechStream(
            pieces=texts.split(cleaned, max_chars=capabilities.max_chars),
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
            tempo=tempo,
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
        template: Utterance,
        asked: tuple[str | None, bytes | None],
        audio_format: AudioFormat,
        encoder: Encoder,
        complete: bool,
        tempo: float,
        service: SpeechService,
    ) -> None:
        self.audio_format, self.complete, self.engine = audio_format, complete, service.engine
        self.timings = Timings()
        self.pieces, self.pieces_done = len(pieces), 0
        self.voice: ResolvedVoice
        self._pieces, self._template, self._asked = pieces, template, asked
        self._encoder, self._tempo, self._service = encoder, tempo, service
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
            self._encoder.open, self.audio_format, rate_hz=rate_hz, complete=self.complete, tempo=self._tempo
        )
        async with aclosing(self._sound(rate_hz)) as sound:
            async for pcm in sound:
                if data := await asyncio.to_thread(encoding.feed, pcm):
                    yield data
        if data := await asyncio.to_thread(encoding.finish):
            yield data
        self.timings.finished_s = self.timings.now()

    async def _sound(self, rate_hz: int) -> AsyncGenerator[Pcm, None]:
        """The sound of all pieces, with pauses between those that sound."""
        pause_s = 0.0
        for piece in self._pieces:
            async with aclosing(self._spoken(piece.text)) as spoken:
                async for pcm in spoken:
                    if pcm.rate_hz != rate_hz:
                        raise SynthesisFailed(f"The engine declared {rate_hz} Hz and yielded {pcm.rate_hz} Hz.")
                    if not len(pcm):
                        continue
                    if pause_s and self.timings.audio_s:
                        yield Pcm.silence(pause_s, rate_hz=rate_hz)
                    pause_s = 0.0
                    self.timings.first_audio_s = self.timings.first_audio_s or self.timings.now()
                    self.timings.audio_s += pcm.duration_s
                    yield pcm
            self.pieces_done += 1
            pause_s = max(pause_s, _PAUSE_S[piece.ends])
        if not self.timings.audio_s:
            raise InvalidInput(
                "The engine finds nothing in this text that it could say.", code="unsupported_text", field="input"
            )

    async def _spoken(self, text: str) -> AsyncGenerator[Pcm, None]:
        """One piece from the engine, within its time; a failure of any kind becomes one of core's errors."""
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
