"""The Synthesizer: requests take turns at one model in a process of its own. Each clip is analysed once."""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from chatterbox_api_core.errors import ConfigurationError, InvalidInput, SynthesisFailed
from chatterbox_api_core.speech.parameters import check_parameters, check_seed
from chatterbox_api_core.types import Capabilities, Language, Pcm, Utterance, VoicePrompt
from chatterbox_api_synth_chatterbox.conditioning_cache import ConditioningCache
from chatterbox_api_synth_chatterbox.failure_counter import FailureCounter
from chatterbox_api_synth_chatterbox.models import MAX_CLIP_S, MODELS, RATE_HZ, Model
from chatterbox_api_synth_chatterbox.supervisor import TIMEOUTS, ModelSupervisor
from chatterbox_api_worker.spec import Timeouts

__all__ = ["ChatterboxSynthesizer"]

_OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class ChatterboxSynthesizer:
    """A Synthesizer on one of the Chatterbox models. Use `open`.

        async with ChatterboxSynthesizer.open(model="turbo", preload=True) as engine:
            async for pcm in engine.speak(Utterance("Hello."), prompt):
                ...

    It yields each utterance as one block at 24,000 Hz. Any number of utterances may be spoken at once; the model does
    them one after the other.
    """

    def __init__(
        self, model: Model, supervisor: ModelSupervisor, *, language: str, concurrent: int, voices_bytes: int
    ) -> None:
        self._model, self._supervisor = model, supervisor
        self._language = language
        self._conditioning = ConditioningCache(max_bytes=voices_bytes)
        self._failures = FailureCounter()
        self._capabilities = Capabilities(
            supports_cloning=True,
            languages=_languages(model),
            sample_rate_hz=RATE_HZ,
            max_concurrency=concurrent,
            max_chars=model.max_chars,
            parameters=model.params,
            default_language=language,
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        model: str = "original",
        folder: str = "",
        device: str = "auto",
        language: str = "en",
        concurrent: int = 4,
        preload: bool = False,
        voices_bytes: int = 64 * 2**20,
        timeouts: Timeouts = TIMEOUTS,
        environment: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[ChatterboxSynthesizer, None]:
        """Open an engine until the context ends. The weights are loaded with the first request.

        Args:
            model: a key of `models.MODELS`.
            folder: the folder with the model's files; empty means the Hugging Face Hub and its cache.
            device: "cuda", "mps", "cpu" or "auto".
            language: the language of utterances that name none.
            concurrent: the number of requests that may take turns at the model.
            preload: whether loading starts at once; its errors then come with the first request.
            voices_bytes: the most memory for the conditioning of clips.
            timeouts: how long each step of the model process may take.
            environment: environment variables of the model process, in addition to those of this process.

        Raises:
            ConfigurationError: the model does not speak `language`.
        """
        known = MODELS[model]
        if language not in {each.tag for each in _languages(known)}:
            raise ConfigurationError(
                f"CHATTERBOX_LANGUAGE cannot be {language!r}: {known.title} does not speak this language.",
                field="CHATTERBOX_LANGUAGE",
                remedy=f"Use one of {', '.join(each.tag for each in _languages(known))}.",
            )
        supervisor = ModelSupervisor(
            {"role": "speech", "model": model, "folder": folder, "device": device},
            title=known.title,
            timeouts=timeouts,
            environment={**(_OFFLINE if folder else {}), **(environment or {})},
        )
        synthesizer = cls(known, supervisor, language=language, concurrent=concurrent, voices_bytes=voices_bytes)
        loading = asyncio.create_task(supervisor.load()) if preload else None
        try:
            yield synthesizer
        finally:
            try:
                await supervisor.close()
            finally:
                await synthesizer._conditioning.close()
                if loading is not None:
                    await asyncio.gather(loading, return_exceptions=True)

    @property
    def capabilities(self) -> Capabilities:
        """What the chosen model can do."""
        return self._capabilities

    @property
    def conditioning(self) -> ConditioningCache:
        """The conditioning of the clips that were used."""
        return self._conditioning

    @property
    def supervisor(self) -> ModelSupervisor:
        """The handle of the model process."""
        return self._supervisor

    @property
    def pid(self) -> int | None:
        """The id of the model process; None while there is none."""
        return self._supervisor.pid

    async def ready(self) -> None:
        """Return if an utterance could be spoken now.

        Raises:
            Unavailable: the model cannot be loaded, does not respond, or has failed three times in a row.
        """
        await self._supervisor.check()
        self._failures.check()

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        """Speak an utterance as the port says. Closing it ends the work at the next step of the model.

        Raises:
            InvalidInput: the text, the language or a parameter is not one that the model takes.
            InvalidAudio: the clip is too short, silent or damaged.
            SynthesisFailed: the model failed or hung, or its process exited.
            Unavailable, ConfigurationError: the model cannot be loaded.
        """
        request = self._request(utterance)
        conditioning = (
            b"" if prompt is None else await self._conditioning.get(prompt.key, lambda: self._analyse(prompt))
        )
        samples = await self._run(request, conditioning)
        self._failures.succeeded()
        if samples.nbytes:
            yield Pcm(samples.cast("f"), RATE_HZ)

    async def _analyse(self, prompt: VoicePrompt) -> bytes:
        pcm = await prompt.pcm()
        samples = pcm.samples[: round(MAX_CLIP_S * pcm.sample_rate_hz)]
        return bytes(await self._run({"do": "prepare", "sample_rate_hz": pcm.sample_rate_hz}, samples.cast("B")))

    async def _run(self, command: dict[str, object], payload: bytes | memoryview) -> memoryview:
        """Do one job. A failure counts once, however many callers wait for the job."""
        try:
            _, result = await self._supervisor.run(command, payload)
        except SynthesisFailed as error:
            self._failures.failed(error)
            raise
        return result

    def _request(self, utterance: Utterance) -> dict[str, object]:
        """The job for an utterance. It repeats core's checks, since an embedder may call the engine directly."""
        text = utterance.text
        if not text.strip() or len(text) > self._model.max_chars:
            raise InvalidInput(
                f"The engine takes from 1 to {self._model.max_chars} characters at once, and got "
                f"{len(text) if text.strip() else 0}.",
                code="text_too_long" if text.strip() else "empty_input",
                field="text",
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise InvalidInput("The text contains a lone surrogate, which is half a character.", field="text")
        language = utterance.language or self._language
        if language not in {each.tag for each in self._capabilities.languages}:
            raise InvalidInput(
                f"{self._model.title} does not speak {language[:32]!r}.", code="unsupported_language", field="language"
            )
        seed = secrets.randbits(63) if utterance.seed is None else check_seed(utterance.seed)
        return {
            "do": "speak",
            "text": text,
            "language": language,
            "seed": seed,
            "params": check_parameters(utterance.parameters, capabilities=self._capabilities),
        }


def _languages(model: Model) -> tuple[Language, ...]:
    """The languages of the model; without Japanese where pykakasi, which reads its characters, is not installed."""
    return tuple(
        language
        for language in model.languages
        if language.tag != "ja" or len(model.languages) == 1 or importlib.util.find_spec("pykakasi")
    )
