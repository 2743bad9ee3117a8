"""Makes sounds for tests and measures sounds. It depends on core alone."""

from __future__ import annotations

import math
import random
import statistics
import struct
from collections.abc import AsyncIterable, Sequence
from itertools import pairwise

from chatterbox_api_core.types import Pcm, VoicePrompt

__all__ = [
    "collect",
    "frequency_hz",
    "level",
    "median_pitch_hz",
    "middle",
    "noise",
    "prompt",
    "sine",
    "voice_like",
    "wav",
]


def sine(hz: float, duration_s: float, *, sample_rate_hz: int = 24_000, amplitude: float = 0.5) -> Pcm:
    """A sine tone of `hz` that begins at phase 0."""
    step = 2 * math.pi * hz / sample_rate_hz
    count = round(duration_s * sample_rate_hz)
    return Pcm.from_floats([amplitude * math.sin(step * i) for i in range(count)], sample_rate_hz=sample_rate_hz)


def voice_like(hz: float, duration_s: float, *, sample_rate_hz: int = 16_000) -> Pcm:
    """A buzz with eight falling overtones. A pitch tracker takes it for a voice of `hz`."""
    step = 2 * math.pi * hz / sample_rate_hz
    count = round(duration_s * sample_rate_hz)
    samples = [0.2 * sum(math.sin(step * i * k) / k for k in range(1, 9)) for i in range(count)]
    return Pcm.from_floats(samples, sample_rate_hz=sample_rate_hz)


def noise(duration_s: float, *, seed: int, sample_rate_hz: int = 24_000, amplitude: float = 0.3) -> Pcm:
    """White noise, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 — nothing secret
    count = round(duration_s * sample_rate_hz)
    return Pcm.from_floats([chance.uniform(-amplitude, amplitude) for _ in range(count)], sample_rate_hz=sample_rate_hz)


def wav(pcm: Pcm, *, channels: int = 1) -> bytes:
    """A 16-bit WAV file of `pcm`, the same in every channel."""
    values = [max(-32768, min(32767, round(value * 32767))) for value in pcm.samples for _ in range(channels)]
    data = struct.pack(f"<{len(values)}h", *values)
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, pcm.sample_rate_hz),
        *(2 * channels * pcm.sample_rate_hz, 2 * channels, 16, b"data", len(data)),
    )
    return header + data


def prompt(pcm: Pcm, *, key: str) -> VoicePrompt:
    """A prompt whose clip is `pcm`. The key identifies the voice, as a clip's SHA-256 does."""

    async def fetch() -> Pcm:
        return pcm

    return VoicePrompt(key, fetch)


async def collect(sound: AsyncIterable[Pcm]) -> Pcm:
    """Join all blocks of a sound into one. Fails where there is none."""
    parts = [pcm async for pcm in sound]
    assert parts, "there is no sound"
    return Pcm.from_floats([value for pcm in parts for value in pcm.samples], sample_rate_hz=parts[0].sample_rate_hz)


def frequency_hz(pcm: Pcm) -> float:
    """The frequency of a tone by its rising zero crossings. Fails where it crosses less than twice."""
    crossings = [i for i, (a, b) in enumerate(pairwise(pcm.samples)) if a < 0 <= b]
    assert len(crossings) > 1, "this is no tone"
    return (len(crossings) - 1) * pcm.sample_rate_hz / (crossings[-1] - crossings[0])


def median_pitch_hz(pcm: Pcm) -> float:
    """The median pitch of the loudest frames, by autocorrelation from 60 to 500 Hz; it tells voices apart."""
    step = max(1, pcm.sample_rate_hz // 8000)
    samples = [sum(pcm.samples[i : i + step]) / step for i in range(0, len(pcm) - step, step)]
    sample_rate_hz = pcm.sample_rate_hz / step
    size = round(0.04 * sample_rate_hz)
    frames = sorted(range(0, len(samples) - 2 * size, size), key=lambda i: -level(samples[i : i + size]))[:16]
    return statistics.median(_pitch_hz(samples[begin : begin + 2 * size], sample_rate_hz) for begin in frames)


def _pitch_hz(frame: Sequence[float], sample_rate_hz: float) -> float:
    size = len(frame) // 2
    energy = [sum(value * value for value in frame[lag : lag + size]) for lag in range(size)]

    def similarity(lag: int) -> float:
        product = sum(a * b for a, b in zip(frame[:size], frame[lag : lag + size], strict=True))
        return product / math.sqrt(energy[0] * energy[lag] + 1e-12)

    lags = range(round(sample_rate_hz / 500), min(size, round(sample_rate_hz / 60)))
    similarities = [similarity(lag) for lag in lags]
    best = max(similarities)
    # The first peak that is nearly the best: the best itself may be an octave down.
    for i, value in enumerate(similarities):
        if value > 0.9 * best and value == max(similarities[max(0, i - 2) : i + 3]):
            return sample_rate_hz / lags[i]
    return sample_rate_hz / lags[similarities.index(best)]


def middle(pcm: Pcm) -> Pcm:
    """The sound without an eighth at each end, where codecs fade in and out."""
    edge = len(pcm) // 8
    return Pcm(pcm.samples[edge : len(pcm) - edge], pcm.sample_rate_hz)


def level(samples: Sequence[float]) -> float:
    """The root mean square of samples; 0 for none."""
    return math.sqrt(sum(value * value for value in samples) / max(1, len(samples)))
