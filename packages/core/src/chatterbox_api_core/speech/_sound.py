"""From the segments of a text to one sound: each spoken by the engine, joined, with the pauses between them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, DeadlineExceeded, InvalidInput, SynthesisFailed
from chatterbox_api_core.ports import Synthesizer
from chatterbox_api_core.speech._segment_joiner import SegmentJoiner
from chatterbox_api_core.text import TextSegment, has_words
from chatterbox_api_core.types import Pcm, Utterance, VoicePrompt

__all__ = ["Pauses", "SpeechSound", "output_too_long", "pauses_s"]

_AUDIBLE: Final = 10 ** (-60 / 20)
"""Amplitude. What stays below is silence to any listener; engines give it for words that they do not know."""
_NOTHING_SAID_S: Final = 0.25
"""The sound of a text that has nothing to say, such as an emoji: an answer, and short."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Between the segments of a text, in seconds, unless a request or the text itself asks for others."""

    sentence_s: float = 0.2
    paragraph_s: float = 0.5

    def after(self, segment: TextSegment) -> float:
        """The pause behind a segment."""
        if segment.pause_s is not None:
            return segment.pause_s
        return {
            "clause": 0.0,
            "sentence": self.sentence_s,
            "line": self.sentence_s,
            "paragraph": self.paragraph_s,
        }[segment.boundary]


def pauses_s(segments: Sequence[TextSegment], pauses: Pauses) -> float:
    """The pauses that are known before anything is spoken, in seconds."""
    own = segments[-1].pause_s or 0.0 if segments else 0.0
    return sum(map(pauses.after, segments[:-1])) + own


class SpeechSound:
    """The sound of one request. Iterate `pcm` once, and close it.

    Args:
        template: what all utterances of the request have in common.
        engine_wait_s: the longest wait for the engine's next sound.
        max_s: the longest sound, pauses included.
        on_spoken: called once the engine has yielded its last sound.

    Attributes:
        spoken_s: how much the engine has spoken, without pauses.
        made_s: how much sound there is, with pauses.
        segments_done: how many segments are spoken.
        is_waiting: whether the engine's next sound is waited for.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        segments: Sequence[TextSegment],
        *,
        template: Utterance,
        prompt: VoicePrompt | None,
        pauses: Pauses,
        engine_wait_s: float,
        max_s: float,
        on_spoken: Callable[[], None],
    ) -> None:
        self._synthesizer, self._segments = synthesizer, segments
        self._template, self._prompt, self._pauses = template, prompt, pauses
        self._engine_wait_s, self._max_s = engine_wait_s, max_s
        self._on_spoken = on_spoken
        self._rate_hz = synthesizer.capabilities.sample_rate_hz
        self.spoken_s = self.made_s = 0.0
        self.segments_done = 0
        self.is_waiting = False

    async def pcm(self) -> AsyncGenerator[Pcm, None]:
        """The sound, in order, at the engine's sample rate.

        Raises:
            InvalidInput: `unsupported_text`, the engine makes no sound of a segment that has words; `output_too_long`.
            SynthesisFailed, DeadlineExceeded: the engine failed, or gave no sound for too long.
        """
        async with aclosing(self._joined()) as joined:
            async for pcm in joined:
                self.made_s += pcm.duration_s
                self._check_length(0.0)
                yield pcm

    def release(self) -> None:
        """Let go of the clip, and of who made this object: nothing is left to be spoken."""
        self._prompt, self._on_spoken = None, _nothing

    async def _joined(self) -> AsyncGenerator[Pcm, None]:
        """The segments as one sound, and the pauses between them."""
        joiner, pause_s, silence_s = SegmentJoiner(self._rate_hz), 0.0, 0.0
        for segment in self._segments:
            if segment.text:
                async with aclosing(self._audible(segment.text)) as spoken:
                    first = True
                    async for pcm in spoken:
                        if first and (pause_s or self.spoken_s):
                            yield joiner.next_segment(pause_s)
                            pause_s = 0.0
                        first = False
                        self.spoken_s += pcm.duration_s
                        yield joiner.push(pcm)
            self.segments_done += 1
            pause_s += self._pauses.after(segment)
            silence_s = silence_s + (segment.pause_s or 0.0) if not self.spoken_s else segment.pause_s or 0.0
        self._on_spoken()
        yield joiner.finish()
        if not self.spoken_s:
            silence_s = silence_s or _NOTHING_SAID_S
        yield Pcm.silence(silence_s, sample_rate_hz=self._rate_hz)

    async def _audible(self, text: str) -> AsyncGenerator[Pcm, None]:
        """The sound of one segment, its silent beginning held back until it is known that more than silence comes.

        Once the request has been heard nothing is held back: a failure can no longer be a status, and silence that
        comes late would be a gap in the sound.
        """
        held: list[Pcm] = []
        audible, held_s = False, 0.0
        holds = not self.spoken_s or not has_words(text)
        async with aclosing(self._spoken(text)) as spoken:
            async for pcm in spoken:
                audible = audible or _is_audible(pcm)
                if holds and not audible:
                    held.append(pcm)
                    held_s += pcm.duration_s
                    self._check_length(held_s)
                    continue
                for each in held:
                    yield each
                held.clear()
                yield pcm
        if not audible and has_words(text):  # for a sign alone, `∅` say, some engines have no name
            raise InvalidInput(
                f"The engine produced no audio for {_excerpt(text)}.",
                code="unsupported_text",
                field="text",
                remedy="Write it in words of the language that is spoken.",
            )

    def _check_length(self, held_s: float) -> None:
        if self.made_s + held_s > self._max_s:
            raise output_too_long(self._max_s)

    async def _spoken(self, text: str) -> AsyncGenerator[Pcm, None]:
        """One segment from the engine, within its time; a failure of any kind becomes one of core's errors."""
        utterance = replace(self._template, text=text)
        try:
            async with aclosing(self._synthesizer.speak(utterance, self._prompt)) as engine:
                while (pcm := await self._next(engine)) is not None:
                    if pcm.sample_rate_hz != self._rate_hz:
                        raise SynthesisFailed(
                            f"The engine declared {self._rate_hz} Hz and yielded {pcm.sample_rate_hz} Hz."
                        )
                    if len(pcm):
                        yield pcm
        except ChatterboxError:
            raise
        except Exception as error:
            raise SynthesisFailed(f"The engine failed: {type(error).__name__}.") from error

    async def _next(self, engine: AsyncGenerator[Pcm, None]) -> Pcm | None:
        """The engine's next sound, None at its end. Raises DeadlineExceeded."""
        deadline = asyncio.timeout(self._engine_wait_s)
        self.is_waiting = True
        try:
            async with deadline:
                return await anext(engine, None)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(
                f"The engine gave no sound for {self._engine_wait_s:g} s.",
                code="engine_timeout",
                retry_after_s=math.ceil(self._engine_wait_s / 10),
            ) from error
        finally:
            self.is_waiting = False
            del deadline  # it knows the task, which keeps its exception, which keeps this frame and all that it holds


def output_too_long(limit_s: float) -> InvalidInput:
    """The error for a request that makes more sound than is allowed."""
    return InvalidInput(
        f"The sound is longer than {limit_s:g} s.",
        code="output_too_long",
        field="text",
        remedy="Send the text in several requests, with shorter pauses.",
    )


def _is_audible(pcm: Pcm) -> bool:
    # Every eighth sample: whatever lasts long enough to be heard is loud in some of them.
    return any(value > _AUDIBLE or value < -_AUDIBLE for value in pcm.samples[::8])


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _nothing() -> None:
    """The callback of a sound that is released."""
