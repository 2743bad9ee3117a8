"""How the segments of a text become one sound: without clicks, and with the pauses between them.

An engine's sound may begin and end anywhere in a wave. Next to silence, or to another segment, that is a step, which
sounds as a click; so where two segments meet each is faded over a few milliseconds.
"""

from __future__ import annotations

from array import array
from typing import Final

from chatterbox_api_core.types import Pcm

__all__ = ["SegmentJoiner"]

_FADE_S: Final = 0.005


class SegmentJoiner:
    """Takes the sound of one segment after another, and passes it on with the last few milliseconds held back."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._fade = round(_FADE_S * sample_rate_hz)
        self._held = array("f")
        self._faded_in: int | None = None
        """How much of this segment's beginning has been faded in; None where nothing came before it."""

    def push(self, pcm: Pcm) -> Pcm:
        """Take sound of the present segment, and return the sound that is due; it may be empty."""
        samples = array("f", pcm.samples)
        if self._faded_in is not None:
            for i in range(self._faded_in, min(self._fade, self._faded_in + len(samples))):
                samples[i - self._faded_in] *= i / self._fade
            self._faded_in = min(self._fade, self._faded_in + len(samples))
        samples = self._held + samples
        due = max(0, len(samples) - self._fade)
        self._held = samples[due:]
        return Pcm(memoryview(samples[:due]), self._rate_hz)

    def next_segment(self, pause_s: float) -> Pcm:
        """The end of the present segment, faded out, and a pause; another segment follows."""
        count = len(self._held)
        for i in range(count):
            self._held[i] *= (count - 1 - i) / count
        samples = self._held + array("f", bytes(4 * round(pause_s * self._rate_hz)))
        self._held, self._faded_in = array("f"), 0
        return Pcm(memoryview(samples), self._rate_hz)

    def finish(self) -> Pcm:
        """What is held back, as it is: nothing follows."""
        samples, self._held = self._held, array("f")
        return Pcm(memoryview(samples), self._rate_hz)
