"""The use case: text in, speech out.

    reserve -> resolve the voice -> wait for a slot -> per segment: synthesize -> encode -> bytes

A request is checked here, and nothing is fetched for one that is wrong; `_stream` is its way from there.
"""

from __future__ import annotations

from collections.abc import Sequence

from chatterbox_api_core import text as texts
from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.ports import Encoder, Synthesizer
from chatterbox_api_core.speech._sound import Pauses
from chatterbox_api_core.speech._stream import SpeechDependencies, SpeechJob, SpeechLimits, SpeechStream
from chatterbox_api_core.speech.parameters import (
    check_language,
    check_options,
    check_parameters,
    check_pause,
    check_seed,
    check_speed,
)
from chatterbox_api_core.speech.request import SpeechRequest
from chatterbox_api_core.speech.request_queue import RequestQueue
from chatterbox_api_core.speech.spool import SpoolBudget
from chatterbox_api_core.types import AudioFormat, Capabilities, Utterance
from chatterbox_api_core.voices.voice_resolver import VoiceResolver

__all__ = ["SpeechService"]


class SpeechService:
    """Speaks: with this engine, into these formats, in these voices.

    Args:
        engine: the engine's name, as configured.
        encoders: tried in order; the first that offers a format has it.
        queue: the queue before the engine.
        spool_budget: what all requests together may keep of what is made and not yet read.

    Example:
        async with service.stream(SpeechRequest("Hello there.", voice="Anna")) as stream:
            wav = await stream.read()
    """

    def __init__(
        self,
        *,
        engine: str,
        synthesizer: Synthesizer,
        encoders: Sequence[Encoder],
        voices: VoiceResolver,
        queue: RequestQueue,
        limits: SpeechLimits | None = None,
        pauses: Pauses | None = None,
        spool_budget: SpoolBudget | None = None,
    ) -> None:
        self.engine = engine
        self.pauses = pauses or Pauses()
        self.limits = limits or SpeechLimits()
        self.queue = queue
        self._synthesizer = synthesizer
        budget = spool_budget or SpoolBudget()
        self._dependencies = SpeechDependencies(engine, synthesizer, voices, queue, self.limits, budget)
        self._encoders: dict[str, tuple[AudioFormat, Encoder]] = {}
        for encoder in encoders:
            for offered in encoder.formats:
                self._encoders.setdefault(offered.name, (offered, encoder))

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self._synthesizer.capabilities

    @property
    def formats(self) -> tuple[AudioFormat, ...]:
        """The formats offered, those of the first encoder first."""
        return tuple(offered for offered, _ in self._encoders.values())

    async def ready(self) -> None:
        """Return when the engine can speak.

        Raises:
            Unavailable: it cannot, with the cause.
        """
        await self._synthesizer.ready()

    def stream(self, request: SpeechRequest) -> SpeechStream:
        """Check a request; entering the stream begins it.

        Raises:
            InvalidInput: something cannot be accepted; `field` is the name of the request's or of the options'
                attribute, or of an engine's parameter.
        """
        capabilities = self.capabilities
        texts.check_text(request.text, max_chars=self.limits.max_chars, text_format=request.text_format)
        audio_format, encoder = self._encoder_for(request.audio_format)
        native, tempo = check_speed(request.speed, capabilities=capabilities, encoder=encoder)
        options = check_options(request.options, tempo=tempo, audio_format=audio_format, encoder=encoder)
        template = Utterance(
            text="",
            language=check_language(request.language, capabilities=capabilities),
            speed=native,
            seed=check_seed(request.seed),
            parameters=check_parameters(request.parameters, capabilities=capabilities),
        )
        streaming = audio_format.streams if request.streaming is None else request.streaming
        job = SpeechJob(
            request, template, self._pauses_of(request), audio_format, encoder, streaming=streaming, options=options
        )
        return SpeechStream(job, self._dependencies)

    def _pauses_of(self, request: SpeechRequest) -> Pauses:
        sentence_s = check_pause(request.sentence_pause_s, field="sentence_pause_s")
        paragraph_s = check_pause(request.paragraph_pause_s, field="paragraph_pause_s")
        return Pauses(
            self.pauses.sentence_s if sentence_s is None else sentence_s,
            self.pauses.paragraph_s if paragraph_s is None else paragraph_s,
        )

    def _encoder_for(self, name: str) -> tuple[AudioFormat, Encoder]:
        try:
            return self._encoders[name.strip().lower()]
        except KeyError:
            raise InvalidInput(
                f"The format {name[:32]!r} is not offered.",
                code="unsupported_format",
                field="audio_format",
                remedy=f"Use one of {', '.join(self._encoders)}.",
            ) from None
