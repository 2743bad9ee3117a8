"""The Synthesizer: a pool of processes, one per request that speaks, and one process that measures clips.

espeak-ng cannot clone and says so. Yet two voices must not sound alike: a prompt's median pitch decides which of
its voices speaks, and how high.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, SynthesisFailed
from chatterbox_api_core.types import Capabilities, Language, Pcm, Utterance, VoicePrompt
from chatterbox_api_synth_espeak.pitch import nearest
from chatterbox_api_worker.pool import WorkerPool
from chatterbox_api_worker.spec import Timeouts, WorkerExited, WorkerSpec
from chatterbox_api_worker.supervisor import Supervisor

__all__ = ["TIMEOUTS", "EspeakSynthesizer"]

_log = logging.getLogger(__name__)

_WORDS_PER_MINUTE = 175
_SPEED = (0.46, 4.0)
"""espeak-ng treats less than 80 words a minute as 80; up to 700 it keeps the pace exactly."""
_MEASURED_S = 10.0
_REMEMBERED_PITCHES = 10_000
TIMEOUTS: Final = Timeouts(load_s=30.0, wait_s=30.0, stall_s=20.0, ping_s=5.0, cancel_s=0.5, retry_s=2.0)
"""espeak-ng makes a minute of sound in a fraction of a second."""
_PITCH_WORKER: Final = WorkerSpec(
    module="chatterbox_api_synth_espeak.pitch_worker",
    name="process that measures clips",
    title="Praat",
    code_prefix="engine",
)
_PITCH_IDLE_S = 300.0
"""After which the memory that Praat takes is given back."""


class EspeakSynthesizer:
    """A Synthesizer. Use `open`."""

    def __init__(
        self,
        pool: WorkerPool,
        pitch_worker: Supervisor,
        *,
        concurrent: int,
        sample_rate_hz: int,
        voices: dict[str, tuple[str, str]],
        language: str,
    ) -> None:
        self._pool, self._rate_hz, self._language = pool, sample_rate_hz, language
        self._pitch_worker = pitch_worker
        self._voices = {tag: voice for tag, (voice, _) in voices.items()}
        self._pitches: OrderedDict[str, float | None] = OrderedDict()
        self._capabilities = Capabilities(
            supports_cloning=False,
            languages=tuple(Language(tag, name) for tag, (_, name) in voices.items()),
            sample_rate_hz=sample_rate_hz,
            concurrent=concurrent,
            max_chars=400,
            speed=_SPEED,
            default_language=language,
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, processes: int = 4, language: str = "en-us", data_path: str = "", timeouts: Timeouts = TIMEOUTS
    ) -> AsyncGenerator[EspeakSynthesizer, None]:
        """An engine for as long as the context lasts; the processes that speak are started at once.

        Args:
            processes: that speak, each for one request at a time.
            language: for utterances that name none.
            data_path: the folder that holds espeak-ng-data; empty for the one that is installed along.

        Raises:
            ConfigurationError: espeak-ng does not start, or does not speak `language`.
        """
        spec = WorkerSpec(
            module="chatterbox_api_synth_espeak.child",
            name="espeak-ng process",
            title="espeak-ng",
            config={"data_path": data_path},
            code_prefix="engine",
        )
        async with AsyncExitStack() as stack:
            try:
                pool = await stack.enter_async_context(WorkerPool.open(spec, size=processes, timeouts=timeouts))
                about, _ = await pool.run({"do": "describe"})
            except (ChatterboxError, WorkerExited) as error:
                raise ConfigurationError(
                    getattr(error, "message", str(error)),
                    field="ESPEAK_DATA_PATH" if data_path else None,
                    remedy="Look at the lines above, or reinstall chatterbox-api-synth-espeak.",
                ) from error
            if language not in about["languages"]:
                raise ConfigurationError(
                    f"ESPEAK_LANGUAGE cannot be {language!r}: espeak-ng does not speak it.",
                    field="ESPEAK_LANGUAGE",
                    remedy="Use a tag such as en-us, de or pt-br.",
                )
            pitch_worker = Supervisor(_PITCH_WORKER, timeouts=replace(timeouts, idle_s=_PITCH_IDLE_S))
            stack.push_async_callback(pitch_worker.close)
            yield cls(
                pool,
                pitch_worker,
                concurrent=processes,
                sample_rate_hz=about["sample_rate_hz"],
                voices=about["languages"],
                language=language,
            )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def ready(self) -> None:
        """As the port says. A process that does not respond within 5 s is replaced."""
        await self._pool.check()

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        """As the port says. Where a process is lost before the first sound, another does the work again."""
        pitch_hz = None if prompt is None else await self._pitch_hz(prompt)
        for retry in (False, True):
            began = False
            try:
                async with aclosing(self._attempt(utterance, pitch_hz)) as sound:
                    async for pcm in sound:
                        began = True
                        yield pcm
                return
            except WorkerExited as error:
                _log.warning("%s It %s", error, "was speaking." if began else "had not spoken yet.")
                if began or retry:
                    raise SynthesisFailed(str(error), code=error.code) from error

    async def _attempt(self, utterance: Utterance, pitch_hz: float | None) -> AsyncGenerator[Pcm, None]:
        variant, pitch = nearest(pitch_hz)
        job = {
            "do": "speak",
            "text": utterance.text,
            "voice": self._voices[utterance.language or self._language] + variant,
            "rate": round(_WORDS_PER_MINUTE * utterance.speed),
            "pitch": pitch,
        }
        async with self._pool.lease() as worker, aclosing(worker.stream(job)) as pieces:
            async for _, samples in pieces:
                if samples.nbytes:
                    yield Pcm(samples.cast("f"), self._rate_hz)

    async def _pitch_hz(self, prompt: VoicePrompt) -> float | None:
        """What is remembered, else what is measured; where the process is lost under it, once more by the next."""
        if prompt.key not in self._pitches:
            clip = await prompt.pcm()
            first = clip.samples[: round(_MEASURED_S * clip.sample_rate_hz)].cast("B")
            job = {"do": "measure", "sample_rate_hz": clip.sample_rate_hz}
            try:
                found, _ = await self._pitch_worker.run(job, first)
            except WorkerExited as lost:
                _log.warning("%s", lost)
                try:
                    found, _ = await self._pitch_worker.run(job, first)
                except WorkerExited as error:
                    raise SynthesisFailed(str(error), code=error.code) from error
            self._pitches[prompt.key] = found["hz"]
        self._pitches.move_to_end(prompt.key)
        while len(self._pitches) > _REMEMBERED_PITCHES:
            self._pitches.popitem(last=False)
        return self._pitches[prompt.key]
