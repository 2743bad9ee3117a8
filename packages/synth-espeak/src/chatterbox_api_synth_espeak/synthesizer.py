"""The Synthesizer: a pool of workers that speak, one for each request, and one worker that measures clips.

espeak-ng cannot clone, and its capabilities say so. Two voices should still differ, so the median pitch of a clip
decides which variant of espeak-ng speaks, and at which pitch.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.types import Capabilities, Language, Pcm, Utterance, VoicePrompt
from chatterbox_api_synth_espeak.errors import error_from_exit, map_start_errors
from chatterbox_api_synth_espeak.pitch import nearest
from chatterbox_api_worker.pool import WorkerPool
from chatterbox_api_worker.spec import Timeouts, WorkerExited, WorkerSpec
from chatterbox_api_worker.supervisor import Supervisor

__all__ = ["TIMEOUTS", "EspeakSynthesizer"]

_log = logging.getLogger(__name__)

_WORDS_PER_MINUTE = 175
_SPEED = (0.46, 4.0)
"""espeak-ng speaks at least 80 words a minute, and keeps the pace exactly up to 700."""
_MEASURED_S = 10.0
"""The length of the beginning of a clip that is measured."""
_MAX_PITCHES = 10_000
TIMEOUTS: Final = Timeouts(load_s=30.0, wait_s=30.0, stall_s=20.0, ping_s=5.0, cancel_s=0.5, retry_s=2.0)
"""Short, since espeak-ng makes a minute of sound in a fraction of a second."""
_PITCH_WORKER: Final = WorkerSpec(
    module="chatterbox_api_synth_espeak.pitch_worker",
    name="pitch process",
    title="Praat",
    code_prefix="engine",
)
_PITCH_IDLE_S = 300.0
"""The idle time after which the pitch process ends, since Praat takes 65 MB."""


class EspeakSynthesizer:
    """A Synthesizer on espeak-ng. Use `open`.

        async with EspeakSynthesizer.open(processes=2) as engine:
            async for pcm in engine.speak(Utterance("Hello."), None):
                ...

    It yields sound while espeak-ng speaks. As many utterances are spoken at once as there are processes.
    """

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
            max_concurrency=concurrent,
            max_chars=400,
            speed=_SPEED,
            default_language=language,
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, processes: int = 4, language: str = "en-us", data_path: str = "", timeouts: Timeouts = TIMEOUTS
    ) -> AsyncGenerator[EspeakSynthesizer, None]:
        """Open an engine until the context ends. The processes that speak are started at once.

        Args:
            processes: the number of processes that speak, each for one request at a time.
            language: the language of utterances that name none.
            data_path: the folder that contains espeak-ng-data; empty means the one that is installed with the package.
            timeouts: how long each step of a process may take.

        Raises:
            ConfigurationError: espeak-ng does not start, or does not speak `language`.
        """
        spec = WorkerSpec(
            module="chatterbox_api_synth_espeak.speech_worker",
            name="espeak-ng process",
            title="espeak-ng",
            config={"data_path": data_path},
            code_prefix="engine",
        )
        async with AsyncExitStack() as stack:
            with map_start_errors(data_path=data_path):
                pool = await stack.enter_async_context(WorkerPool.open(spec, size=processes, timeouts=timeouts))
                about, _ = await pool.run({"do": "describe"})
            if language not in about["languages"]:
                raise ConfigurationError(
                    f"ESPEAK_LANGUAGE cannot be {language!r}: espeak-ng does not speak this language.",
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
        """What espeak-ng can do, with the languages of its data."""
        return self._capabilities

    async def ready(self) -> None:
        """Return once a process that speaks responds. A process that does not respond within 5 s is replaced.

        Raises:
            Unavailable: no process responds within 2 s.
        """
        await self._pool.check()

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        """Speak an utterance as the port says. If a process exits before the first sound, another one repeats the work.

        Raises:
            SynthesisFailed: espeak-ng failed, or its process hung or exited.
            Overloaded, DeadlineExceeded: no process became free.
            ConfigurationError, Unavailable: no process can be started.
        """
        pitch_hz = None if prompt is None else await self._pitch_hz(prompt)
        for retry in (False, True):
            sound_started = False
            try:
                async with aclosing(self._attempt(utterance, pitch_hz)) as sound:
                    async for pcm in sound:
                        sound_started = True
                        yield pcm
                return
            except WorkerExited as error:
                _log.warning("%s It had %s.", error, "begun to speak" if sound_started else "not spoken yet")
                if sound_started or retry:
                    raise error_from_exit(error) from error

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
        """The median pitch of a clip, measured once. If the process exits, the next one measures again."""
        if prompt.key not in self._pitches:
            clip = await prompt.pcm()
            first = clip.samples[: round(_MEASURED_S * clip.sample_rate_hz)].cast("B")
            job = {"do": "measure", "sample_rate_hz": clip.sample_rate_hz}
            try:
                answer, _ = await self._pitch_worker.run(job, first)
            except WorkerExited as first_error:
                _log.warning("%s", first_error)
                try:
                    answer, _ = await self._pitch_worker.run(job, first)
                except WorkerExited as error:
                    raise error_from_exit(error) from error
            self._pitches[prompt.key] = answer["hz"]
        self._pitches.move_to_end(prompt.key)
        while len(self._pitches) > _MAX_PITCHES:
            self._pitches.popitem(last=False)
        return self._pitches[prompt.key]
