"""An engine that buzzes: a square wave per word, as long as the word and as high as the voice's clip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import accumulate, pairwise

from chatterbox_api_core.aio import LruCache
from chatterbox_api_core.types import Capabilities, Pcm, Utterance, VoicePrompt

__all__ = ["BuzzSynthesizer"]

_RATE_HZ = 16_000
_OWN_HZ = 110.0
_KEPT_VOICES = 1000


class BuzzSynthesizer:
    """A Synthesizer."""

    def __init__(self, *, letter_ms: int = 60) -> None:
        self._letter_s = letter_ms / 1000
        self._known_hz = LruCache[str, float](_KEPT_VOICES)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            supports_cloning=False,
            languages=(),
            sample_rate_hz=_RATE_HZ,
            max_concurrency=4,
            max_chars=300,
            speed=(0.5, 2.0),
        )

    async def ready(self) -> None:
        return

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        hz = _OWN_HZ if prompt is None else await self._hz_of(prompt)
        letter_s = self._letter_s / utterance.speed
        for word in utterance.text.split():
            await asyncio.sleep(0)  # here a cancellation arrives, and others have their turn
            yield _square(hz, letter_s * len(word))
            yield Pcm.silence(letter_s, sample_rate_hz=_RATE_HZ)

    async def _hz_of(self, prompt: VoicePrompt) -> float:
        """Measured once per clip; the clips used last are remembered."""
        if (known_hz := self._known_hz.get(prompt.key)) is not None:
            return known_hz
        pcm = await prompt.pcm()
        hz = self._known_hz[prompt.key] = await asyncio.to_thread(_pitch_hz, pcm)
        return hz


def _square(hz: float, duration_s: float) -> Pcm:
    half_waves = 2 * hz / _RATE_HZ
    count = round(duration_s * _RATE_HZ)
    return Pcm.from_floats([0.2 if int(i * half_waves) % 2 else -0.2 for i in range(count)], sample_rate_hz=_RATE_HZ)


def _pitch_hz(pcm: Pcm) -> float:
    """Of the first ten seconds: upward zero crossings of the sound without its hiss, within what voices reach."""
    width = max(1, pcm.sample_rate_hz // 1000)
    sums = list(accumulate(pcm.samples[: 10 * pcm.sample_rate_hz], initial=0.0))
    smooth = [end - begin for begin, end in zip(sums, sums[width:], strict=False)]
    crossings = [i for i, (a, b) in enumerate(pairwise(smooth)) if a < 0 <= b]
    if len(crossings) < 2:
        return _OWN_HZ
    return max(60.0, min(400.0, (len(crossings) - 1) * pcm.sample_rate_hz / (crossings[-1] - crossings[0])))
