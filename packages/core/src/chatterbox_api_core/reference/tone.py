"""An engine that hums: one tone per utterance, whose frequency is that of the voice's clip.

It has the timing of a real engine (streamed, cancellable, with a settable pace) and an output that tests can
measure, so it shows whether each request is answered in its own voice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from itertools import pairwise

from chatterbox_api_core.aio import LruCache
from chatterbox_api_core.types import Capabilities, Language, Pcm, Utterance, VoicePrompt

__all__ = ["ToneSynthesizer"]

_RATE_HZ = 24_000
_CHUNK_S = 0.1
_S_PER_CHAR = 0.06
_AMPLITUDE = 0.5
_KEPT_VOICES = 1000


class ToneSynthesizer:
    """A Synthesizer that hums a tone as high as the voice's clip.

        engine = ToneSynthesizer(pace=1.0)

    Args:
        own_hz: the tone of the engine's own voice.
        pace: seconds of waiting per second of sound; 0 is as fast as it can, 1 is real time.
        concurrent: how many utterances are spoken at once.
    """

    def __init__(self, *, own_hz: float = 220.0, pace: float = 0.0, concurrent: int = 8) -> None:
        self._own_hz, self._pace = own_hz, pace
        self._capabilities = Capabilities(
            supports_cloning=True,
            languages=(Language("en", "English"),),
            sample_rate_hz=_RATE_HZ,
            max_concurrency=concurrent,
            max_chars=400,
            speed=(0.25, 4.0),
            default_language="en",
        )
        self._known_hz = LruCache[str, float](_KEPT_VOICES)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def ready(self) -> None:
        return

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        hz = self._own_hz if prompt is None else await self._hz_of(prompt)
        total = round(_RATE_HZ * _S_PER_CHAR * len(utterance.text) / utterance.speed)
        step = round(_RATE_HZ * _CHUNK_S)
        for begin in range(0, total, step):
            end = min(begin + step, total)
            await asyncio.sleep(self._pace * (end - begin) / _RATE_HZ)
            yield Pcm.from_floats(_tone(hz, begin, end, total), sample_rate_hz=_RATE_HZ)

    async def _hz_of(self, prompt: VoicePrompt) -> float:
        if (known_hz := self._known_hz.get(prompt.key)) is not None:
            return known_hz
        pcm = await prompt.pcm()
        hz = self._known_hz[prompt.key] = await asyncio.to_thread(_frequency_hz, pcm)
        return hz


def _tone(hz: float, begin: int, end: int, total: int) -> list[float]:
    """Samples of a tone that fades in and out over 5 ms, so that joins do not click."""
    fade = _RATE_HZ / 200
    step = 2 * math.pi * hz / _RATE_HZ
    return [_AMPLITUDE * min(1.0, i / fade, (total - 1 - i) / fade) * math.sin(step * i) for i in range(begin, end)]


def _frequency_hz(pcm: Pcm) -> float:
    """Of a tone, by its rising zero crossings."""
    crossings = [i for i, (a, b) in enumerate(pairwise(pcm.samples)) if a < 0 <= b]
    if len(crossings) < 2:
        return 100.0
    return (len(crossings) - 1) * pcm.sample_rate_hz / (crossings[-1] - crossings[0])
