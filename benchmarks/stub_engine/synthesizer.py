"""An engine that only waits: its timing is set, and its sound costs nothing to make.

What a server adds to it is the server's own. Every moment is counted from the beginning of its text, so that a late
wake-up does not delay what follows; `late_s` sums how late first sounds were, which is the event loop's share.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Final, cast

from benchmarks.stub_engine.alarm import wait_until
from chatterbox_api_core.types import Capabilities, Language, Pcm, Samples, Utterance, VoicePrompt

__all__ = ["RATE_HZ", "StubSynthesizer", "StubTiming"]

RATE_HZ: Final = 24_000
_TILE_S: Final = 4
_MAX_CHARS: Final = 400
_WARM_VOICES: Final = 1000


@dataclass(frozen=True, slots=True)
class StubTiming:
    """How long the engine takes, and how long its sound is.

    Attributes:
        delay_s: before the first sound of a text.
        delay_s_per_s: of work per second of sound, spent before the piece that has it.
        piece_s: of sound in one piece; 0 for a text in one piece.
        pieces_per_s: after the first; 0 for no wait between them.
        sound_s: of each text; 0 for `sound_s_per_char` times its characters.
        prepare_s: for a voice that is not warm.
    """

    delay_s: float = 0.05
    delay_s_per_s: float = 0.0
    piece_s: float = 0.0
    pieces_per_s: float = 0.0
    sound_s: float = 0.0
    sound_s_per_char: float = 0.06
    prepare_s: float = 0.0

    def pieces(self, chars: int) -> Iterator[tuple[int, int, float]]:
        """Of a text of so many characters: where each piece begins and ends, in samples, and when it is due, in s."""
        total = round(RATE_HZ * (self.sound_s or self.sound_s_per_char * chars))
        step = round(RATE_HZ * self.piece_s) or total
        due_s = self.delay_s
        for begin in range(0, total, max(1, step)):
            end = min(begin + step, total)
            if begin and self.pieces_per_s:
                due_s += 1 / self.pieces_per_s
            due_s += self.delay_s_per_s * (end - begin) / RATE_HZ
            yield begin, end, due_s


class StubSynthesizer:
    """A Synthesizer.

    Attributes:
        calls: texts that have been spoken to their end.
        planned_s: the time that they should have taken, preparation of voices included.
        late_s: how late their first sounds were.
    """

    def __init__(self, timing: StubTiming, *, slots: int = 1) -> None:
        self.calls, self.planned_s, self.late_s = 0, 0.0, 0.0
        self._timing = timing
        self._tile = _syllables()
        self._warm: OrderedDict[str, None] = OrderedDict()
        self._capabilities = Capabilities(
            supports_cloning=True,
            languages=(Language("en", "English"),),
            sample_rate_hz=RATE_HZ,
            max_concurrency=slots,
            max_chars=_MAX_CHARS,
            speed=(1.0, 1.0),
            default_language="en",
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def ready(self) -> None:
        return

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        prepared_s = 0.0 if prompt is None else await self._prepare(prompt)
        began_s, due_s, late_s = time.monotonic(), 0.0, 0.0
        for begin, end, at_s in self._timing.pieces(len(utterance.text)):
            due_s = at_s
            await wait_until(began_s + due_s)
            late_s = late_s or time.monotonic() - began_s - due_s
            yield Pcm(self._samples(begin, end), RATE_HZ)
        self.calls += 1
        self.planned_s += prepared_s + due_s
        self.late_s += late_s

    async def _prepare(self, prompt: VoicePrompt) -> float:
        """Make a voice warm; return the time that this should take."""
        if prompt.key in self._warm:
            self._warm.move_to_end(prompt.key)
            return 0.0
        await prompt.pcm()
        await asyncio.sleep(self._timing.prepare_s)
        self._warm[prompt.key] = None
        while len(self._warm) > _WARM_VOICES:
            self._warm.popitem(last=False)
        return self._timing.prepare_s

    def _samples(self, begin: int, end: int) -> Samples:
        """A view of the tile, which is grown to hold the longest piece twice, so that no piece runs over its end."""
        size = end - begin
        while len(self._tile) < 2 * size:
            self._tile = self._tile + self._tile  # not in place: pieces that are in use are views of it
        at = begin % (len(self._tile) // 2)
        return cast("Samples", memoryview(self._tile)[at : at + size])


def _syllables() -> array[float]:
    """A buzz that comes and goes, which costs a codec what speech costs."""
    step = 2 * math.pi / RATE_HZ
    once = array(
        "f",
        (
            0.3 * abs(math.sin(2.5 * step * i)) * sum(math.sin(140 * k * step * i) / k for k in (1, 2, 3))
            for i in range(_TILE_S * RATE_HZ)
        ),
    )
    return once + once
