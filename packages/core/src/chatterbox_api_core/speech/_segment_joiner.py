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
_SAMPLE_BYTES: Final = 4


class SegmentJoiner:
    """Takes the sound of one segment after another, and passes it on with the last few milliseconds held back."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._fade = round(_FADE_S * sample_rate_hz)
        self._held = b""
        """The bytes of the samples that are held back."""
        self._faded_in = self._fade
        """How much of this segment's beginning has been faded in, in samples; nothing comes before the first one."""

    def push(self, pcm: Pcm) -> Pcm:
        """Take sound of the present segment, and return the sound that is due; it may be empty."""
        held = len(self._held) // _SAMPLE_BYTES
        data = bytearray(self._held)
        data += pcm.samples.cast("B") if pcm.samples.contiguous else pcm.samples.tobytes()
        samples = memoryview(data).cast("f")
        for i in range(self._faded_in, min(self._fade, self._faded_in + len(pcm))):
            samples[held + i - self._faded_in] *= i / self._fade
        self._faded_in = min(self._fade, self._faded_in + len(pcm))
        due = max(0, len(samples) - self._fade)
        self._held = bytes(samples[due:])
        return Pcm(samples[:due], self._rate_hz)

    def next_segment(self, pause_s: float) -> Pcm:
        """The end of the present segment, faded out, and a pause; another segment follows."""
        samples = array("f", self._held)
        count = len(samples)
        for i in range(count):
            samples[i] *= (count - 1 - i) / count
        samples.frombytes(bytes(_SAMPLE_BYTES * round(pause_s * self._rate_hz)))
        self._held, self._faded_in = b"", 0
        return Pcm(memoryview(samples), self._rate_hz)

    def finish(self) -> Pcm:
        """What is held back, as it is: nothing follows."""
        samples, self._held = array("f", self._held), b""
        return Pcm(memoryview(samples), self._rate_hz)
