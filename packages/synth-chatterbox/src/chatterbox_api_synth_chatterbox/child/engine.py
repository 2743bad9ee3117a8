"""One model and what it does for one request at a time. It keeps nothing of a request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from chatterbox_api_core.errors import ConfigurationError, InvalidInput
from chatterbox_api_synth_chatterbox.child import conditioning
from chatterbox_api_synth_chatterbox.child.decoding import speech_tokens, use_readable_attention
from chatterbox_api_synth_chatterbox.child.rendering import rendered, stepwise
from chatterbox_api_synth_chatterbox.models import RATE_HZ, Model, max_tokens

__all__ = ["Engine", "Request", "Speech"]

_MAX_TEXT_TOKENS: Final = 2048
"""Positions T3 has for text; one more is an IndexError, and on CUDA the end of the process."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be said, and how.

    Attributes:
        params: the model's own, checked; those left out are upstream's.
    """

    text: str
    seed: int
    language: str = "en"
    params: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """What was said.

    Attributes:
        tokens: as T3 drew them.
        samples: (n,), 32-bit, at 24,000 Hz, watermarked.
    """

    tokens: tuple[int, ...]
    samples: torch.Tensor


class Engine:
    """Used by one thread.

    Args:
        tts: one of upstream's three classes, loaded.
    """

    def __init__(self, tts: Any, model: Model) -> None:
        self._tts, self._model = tts, model
        self._device = torch.device(tts.device)
        self._upstream = inspect.signature(type(tts).generate).parameters
        self._own_voice = conditioning.to_bytes(tts.conds) if tts.conds is not None else None
        use_readable_attention(tts.t3)

    @property
    def tts(self) -> Any:
        """Upstream's object with the loaded model."""
        return self._tts

    @property
    def model(self) -> Model:
        """The properties of the model."""
        return self._model

    def prepare(self, samples: torch.Tensor, sample_rate_hz: int) -> bytes:
        """A voice from a clip, as bytes that `speak` takes. Raises InvalidAudio."""
        heard = conditioning.check_clip(samples, sample_rate_hz, self._model)
        return conditioning.analysed(self._tts, heard, sample_rate_hz)

    def speak(self, request: Request, voice: bytes | None, checkpoint: Callable[[], None]) -> Speech:
        """Say one text.

        Args:
            voice: of `prepare`; None is the model's own.
            checkpoint: called between steps; what it raises ends the work.

        Raises:
            InvalidInput: the text is empty or too long.
            ConfigurationError: there is no voice.
            ValueError: a parameter is out of bounds.
            FloatingPointError: what the model computed is no number.
        """
        with torch.inference_mode():
            tokens, reference, generator = self.draw_tokens(request, voice or self._builtin(), checkpoint)
            with stepwise(self._tts.s3gen, checkpoint):
                sound = rendered(
                    self._tts.s3gen,
                    tokens,
                    reference=reference,
                    turbo=self._tts.t3.is_gpt,
                    seed=request.seed,
                    generator=generator,
                )
            checkpoint()
            return Speech(tuple(tokens), self._marked(sound))

    def draw_tokens(
        self, request: Request, voice: bytes, checkpoint: Callable[[], None]
    ) -> tuple[list[int], dict[str, Any], torch.Generator]:
        """The speech tokens of a request, S3Gen's reference, and the generator as it is after the last token."""
        params = self.parameters(request)
        cond, reference = conditioning.from_bytes(voice, device=self._device, exaggeration=params.get("exaggeration"))
        generator = torch.Generator(device=self._device).manual_seed(request.seed)
        tokens: list[int] = []
        drawn = speech_tokens(
            self._tts.t3,
            cond=cond,
            text_tokens=self.text_tokens(request),
            params=params,
            generator=generator,
            max_tokens=max_tokens(request.text),
        )
        with closing(drawn):
            for token in drawn:
                tokens.append(token)
                checkpoint()
        return tokens, reference, generator

    def parameters(self, request: Request) -> dict[str, float]:
        """The parameters of a request, completed with upstream's defaults, which may differ between releases."""
        values: dict[str, float] = {}
        for spec in self._model.params:
            upstream = self._upstream.get(spec.name)
            default = spec.default if upstream is None else upstream.default
            values[spec.name] = float(request.params.get(spec.name, default))
        return values

    def text_tokens(self, request: Request) -> torch.Tensor:
        """The text as token ids of shape (1, n), with start and end tokens except for Turbo, which has none.

        Raises:
            InvalidInput: the text is empty or too long.
        """
        if not request.text.strip():
            raise InvalidInput("The text is empty.", code="empty_input", field="text")
        text = inspect.getmodule(type(self._tts)).punc_norm(request.text)  # type: ignore[union-attr]
        t3 = self._tts.t3
        if t3.is_gpt:
            tokens = self._tts.tokenizer(text, return_tensors="pt").input_ids
        elif "language_id" in self._upstream:
            tokens = self._tts.tokenizer.text_to_tokens(text, language_id=request.language)
        else:
            tokens = self._tts.tokenizer.text_to_tokens(text)
        if tokens.size(1) > _MAX_TEXT_TOKENS:
            raise InvalidInput(
                f"This segment of the text has {tokens.size(1)} tokens; the model takes at most {_MAX_TEXT_TOKENS}.",
                code="text_too_long",
                field="text",
                remedy="Divide it with a full stop or a comma.",
            )
        tokens = tokens.to(device=self._device, dtype=torch.long)
        if t3.is_gpt:
            return torch.as_tensor(tokens)
        marked = torch.nn.functional.pad(tokens, (1, 0), value=t3.hp.start_text_token)
        return torch.nn.functional.pad(marked, (0, 1), value=t3.hp.stop_text_token)

    def _builtin(self) -> bytes:
        if self._own_voice is None:
            raise ConfigurationError(
                "The model has no built-in voice: its files do not include conds.pt.",
                code="no_builtin_voice",
                field="voice",
                remedy="Name a voice, set VOICE_SAMPLE_PATH, or add conds.pt to the model's folder.",
            )
        return self._own_voice

    def _marked(self, sound: torch.Tensor) -> torch.Tensor:
        if not len(sound):
            return sound
        if not bool(torch.isfinite(sound).all()):
            raise FloatingPointError("the model's output is not a number")
        return torch.from_numpy(self._tts.watermarker.apply_watermark(sound.numpy(), sample_rate=RATE_HZ))
