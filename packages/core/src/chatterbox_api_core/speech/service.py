"""The use case: text in, speech out.

    admit -> resolve the voice -> wait for the turn -> per piece: synthesize -> encode -> bytes

Here a request is checked, and nothing is fetched for one that is wrong; `speech_stream` is its way from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chatterbox_api_core import text as texts
from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.ports import Encoder, Synthesizer
from chatterbox_api_core.speech._sound import Pauses
from chatterbox_api_core.speech._stream import SpeechJob, SpeechLimits, SpeechStream, Workshop
from chatterbox_api_core.speech.parameters import (
    check_delivery,
    check_language,
    check_parameters,
    check_pause,
    check_seed,
    check_speed,
)
from chatterbox_api_core.speech.request_queue import RequestQueue
from chatterbox_api_core.speech.spool import SpoolBudget
from chatterbox_api_core.types import AudioFormat, Capabilities, Utterance
from chatterbox_api_core.voices.voice_resolver import VoiceResolver

__all__ = ["Pauses", "SpeechLimits", "SpeechService", "SpeechStream"]


class SpeechService:
    """Speaks: with this engine, into these formats, in these voices.

    Args:
        engine: the engine's name, as configured.
        encoders: asked in order; the first that offers a format has it.
        spool_budget: what all requests together may keep of what is made and not yet read.
    """

    def __init__(
        self,
        *,
        engine: str,
        synthesizer: Synthesizer,
        encoders: Sequence[Encoder],
        voices: VoiceResolver,
        admission: RequestQueue,
        limits: SpeechLimits | None = None,
        pauses: Pauses | None = None,
        spool_budget: SpoolBudget | None = None,
    ) -> None:
        self.engine = engine
        self.pauses = pauses or Pauses()
        self.limits = limits or SpeechLimits()
        self.admission = admission
        self._synthesizer = synthesizer
        self._workshop = Workshop(engine, synthesizer, voices, admission, self.limits, spool_budget or SpoolBudget())
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
        text_format: str = "auto",
        speed: float = 1.0,
        seed: int | None = None,
        params: Mapping[str, float | int | str] | None = None,
        sample_rate_hz: int | None = None,
        loudness_lufs: float | None = None,
        trim: bool = False,
        sentence_pause_s: float | None = None,
        paragraph_pause_s: float | None = None,
    ) -> SpeechStream:
        """Check a request; entering the stream begins it.

        Args:
            voice: id, name or alias; has priority over `clip`.
            clip: a clip to sound like.
            audio_format: the name of one of `formats`, in any case.
            complete: a body of true sizes at the end, rather than bytes as they are made; None is the format's habit.
            speed: from 0.25 to 4.
            language: one of the engine's; the voice's own when None, else the engine's.
            text_format: `auto` leaves out Markdown's marks and emoji, `plain` leaves out nothing, `ssml` understands
                tags; see `text`.
            params: the engine's own parameters, see its capabilities.
            sample_rate_hz: of the result, from 8,000 to 48,000, as far as the format can have it; the nearest to the
                engine's when None.
            loudness_lufs: EBU R128 target, from -40 to -5; the engine's own when None.
            trim: whether silence at both ends is cut off.
            sentence_pause_s, paragraph_pause_s: from 0 to 10; the service's own when None. With one between sentences
                each is spoken by itself.

        Raises:
            InvalidInput: names the field that cannot be accepted.
        """
        capabilities = self.capabilities
        texts.check_text(text, max_chars=self.limits.max_chars, text_format=text_format)
        offered, encoder = self._encoder_for(audio_format)
        native, tempo = check_speed(speed, capabilities=capabilities, encoder=encoder)
        delivery = check_delivery(
            audio_format=offered, encoder=encoder, sample_rate_hz=sample_rate_hz, loudness_lufs=loudness_lufs, trim=trim
        )
        if tempo != 1.0:
            delivery["tempo"] = tempo
        sentence_s = check_pause(sentence_pause_s, field="sentence_pause_ms")
        paragraph_s = check_pause(paragraph_pause_s, field="paragraph_pause_ms")
        job = SpeechJob(
            text=text,
            text_format=text_format,
            voice=voice,
            clip=clip,
            template=Utterance(
                text="",
                language=check_language(language, capabilities=capabilities),
                speed=native,
                seed=check_seed(seed),
                params=check_parameters(params or {}, capabilities=capabilities),
            ),
            pauses=Pauses(
                self.pauses.sentence_s if sentence_s is None else sentence_s,
                self.pauses.paragraph_s if paragraph_s is None else paragraph_s,
            ),
            audio_format=offered,
            encoder=encoder,
            complete=not offered.streams if complete is None else complete,
            effects=delivery,
            each_sentence=sentence_s is not None,
        )
        return SpeechStream(job, self._workshop)

    def _encoder_for(self, name: str) -> tuple[AudioFormat, Encoder]:
        try:
            return self._encoders[name.strip().lower()]
        except KeyError:
            raise InvalidInput(
                f"The format {name[:32]!r} is not offered.",
                code="unsupported_format",
                field="response_format",
                remedy=f"Use one of {', '.join(self._encoders)}.",
            ) from None
