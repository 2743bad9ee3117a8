"""The Synthesizer: requests take turns at one model in a process of its own; voices are analysed once."""

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
from chatterbox_api_synth_chatterbox.health import Health
from chatterbox_api_synth_chatterbox.models import MAX_CLIP_S, MODELS, RATE_HZ, Model
from chatterbox_api_synth_chatterbox.supervisor import TIMEOUTS, ModelSupervisor
from chatterbox_api_synth_chatterbox.voices import AnalysedVoices
from chatterbox_api_worker.spec import Timeouts

__all__ = ["ChatterboxSynthesizer"]

_OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class ChatterboxSynthesizer:
    """See the module. Use `open`."""

    def __init__(
        self, model: Model, process: ModelSupervisor, *, language: str, concurrent: int, voices_bytes: int
    ) -> None:
        self._model, self._process = model, process
        self._language = language
        self._voices = AnalysedVoices(max_bytes=voices_bytes)
        self._health = Health()
        self._capabilities = Capabilities(
            supports_cloning=True,
            languages=_spoken(model),
            sample_rate_hz=RATE_HZ,
            concurrent=concurrent,
            max_chars=model.max_chars,
            params=model.params,
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
        """An engine for as long as the context lasts; its weights are loaded when they are first needed.

        Args:
            folder: of the model's files; empty for the Hugging Face Hub and its cache.
            language: for utterances that name none.
            preload: whether loading begins at once.
            voices_bytes: for analysed voices.
            environment: for the model's process, beside that of this one.

        Raises:
            ConfigurationError: `language` is not spoken.
        """
        known = MODELS[model]
        if language not in {spoken.tag for spoken in _spoken(known)}:
            raise ConfigurationError(
                f"CHATTERBOX_LANGUAGE cannot be {language!r}: {known.title} does not speak it.",
                field="CHATTERBOX_LANGUAGE",
                remedy=f"Use one of {', '.join(spoken.tag for spoken in _spoken(known))}.",
            )
        process = ModelSupervisor(
            {"role": "speech", "model": model, "folder": folder, "device": device},
            title=known.title,
            timeouts=timeouts,
            environment={**(_OFFLINE if folder else {}), **(environment or {})},
        )
        synthesizer = cls(known, process, language=language, concurrent=concurrent, voices_bytes=voices_bytes)
        loading = asyncio.create_task(process.load()) if preload else None
        try:
            yield synthesizer
        finally:
            try:
                await process.close()
            finally:
                await synthesizer._voices.close()
                if loading is not None:
                    await asyncio.gather(loading, return_exceptions=True)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def pid(self) -> int | None:
        """Of the model's process, while there is one."""
        return self._process.pid

    async def ready(self) -> None:
        await self._process.check()
        self._health.check()

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        """As the port says. Raises InvalidInput for what would harm the model, InvalidAudio for such a clip."""
        request = self._request(utterance)
        voice = b"" if prompt is None else await self._voices.get(prompt.key, lambda: self._analysed(prompt))
        samples = await self._run(request, voice)
        self._health.succeeded()
        if samples.nbytes:
            yield Pcm(samples.cast("f"), RATE_HZ)

    async def _analysed(self, prompt: VoicePrompt) -> bytes:
        pcm = await prompt.pcm()
        heard = pcm.samples[: round(MAX_CLIP_S * pcm.sample_rate_hz)]
        return bytes(await self._run({"do": "prepare", "sample_rate_hz": pcm.sample_rate_hz}, heard.cast("B")))

    async def _run(self, command: dict[str, object], payload: bytes | memoryview) -> memoryview:
        """One job; a failure of it counts once, however many wait for it."""
        try:
            _, result = await self._process.run(command, payload)
        except SynthesisFailed as error:
            self._health.failed(error)
            raise
        return result

    def _request(self, utterance: Utterance) -> dict[str, object]:
        """The command for an utterance, checked: who embeds the engine may not have come through core's checks."""
        text = utterance.text
        if not text.strip() or len(text) > self._model.max_chars:
            raise InvalidInput(
                f"The engine takes from 1 to {self._model.max_chars} characters at a time, not "
                f"{len(text) if text.strip() else 0}.",
                code="text_too_long" if text.strip() else "empty_input",
                field="input",
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise InvalidInput("The text has half a character in it: a lone surrogate.", field="input")
        language = utterance.language or self._language
        if language not in {spoken.tag for spoken in self._capabilities.languages}:
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


def _spoken(model: Model) -> tuple[Language, ...]:
    """The model's languages without Japanese where what reads its characters is not installed."""
    return tuple(
        language
        for language in model.languages
        if language.tag != "ja" or len(model.languages) == 1 or importlib.util.find_spec("pykakasi")
    )
