"""The Synthesizer: a pool of children, one per request that speaks.

espeak-ng cannot clone and says so. Yet two voices must not sound alike: a prompt's median pitch decides which of
its voices speaks, and how high.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from chatterbox_api_core.errors import ConfigurationError, SynthesisFailed, Unavailable
from chatterbox_api_core.model import Capabilities, Language, Pcm, Utterance, VoicePrompt
from chatterbox_api_synth_espeak.pitch import nearest
from chatterbox_api_synth_espeak.process import ChildDied, ChildProcess

__all__ = ["EspeakSynthesizer"]

_log = logging.getLogger(__name__)

_WORDS_PER_MINUTE = 175
_SPEED = (0.46, 4.0)
"""espeak-ng treats less than 80 words a minute as 80; up to 700 it keeps the pace exactly."""
_MEASURED_S = 10.0
_REMEMBERED_PITCHES = 10_000


@dataclass(frozen=True, slots=True)
class _Voice:
    """What decides a request's pitch: the clip, while it has to be measured, else what is known of it."""

    pitch_hz: float | None = None
    key: str = ""
    clip: Pcm | None = None


class EspeakSynthesizer:
    """See the module. Use `open`."""

    def __init__(self, children: list[ChildProcess], *, language: str, data_path: str) -> None:
        self._data_path = data_path
        self._voices = {tag: voice for tag, (voice, _) in children[0].languages.items()}
        self._language = language
        self._idle: asyncio.Queue[ChildProcess] = asyncio.Queue()
        for child in children:
            self._idle.put_nowait(child)
        self._children = set(children)
        self._settling: set[asyncio.Task[None]] = set()
        self._pitches: OrderedDict[str, float | None] = OrderedDict()
        self._capabilities = Capabilities(
            clones=False,
            languages=tuple(Language(tag, name) for tag, (_, name) in children[0].languages.items()),
            rate_hz=children[0].rate_hz,
            concurrent=len(children),
            max_chars=400,
            speed=_SPEED,
            default_language=language,
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, processes: int = 4, language: str = "en-us", data_path: str = ""
    ) -> AsyncGenerator[EspeakSynthesizer, None]:
        """Start the children; end them with the context. Raises ConfigurationError."""
        starts = await asyncio.gather(
            *(ChildProcess.start(data_path) for _ in range(processes)), return_exceptions=True
        )
        children = [child for child in starts if isinstance(child, ChildProcess)]
        try:
            failures = [failure for failure in starts if isinstance(failure, BaseException)]
            if failures:
                raise ConfigurationError(
                    f"espeak-ng does not start: {failures[0]}.",
                    field="ESPEAK_DATA_PATH" if data_path else None,
                    remedy="Look at the lines above, or reinstall chatterbox-api-synth-espeak.",
                ) from failures[0]
            if language not in children[0].languages:
                raise ConfigurationError(
                    f"ESPEAK_LANGUAGE cannot be {language!r}: espeak-ng does not speak it.",
                    field="ESPEAK_LANGUAGE",
                    remedy="Use a tag such as en-us, de or pt-br.",
                )
        except ConfigurationError:
            await asyncio.gather(*(child.end() for child in children))
            raise
        synthesizer = cls(children, language=language, data_path=data_path)
        try:
            yield synthesizer
        finally:
            await synthesizer._close()

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def ready(self) -> None:
        if any(child.alive for child in self._children):
            return
        child = await self._idle.get()
        try:
            child = await self._replace(child)
        finally:
            self._idle.put_nowait(child)

    async def speak(self, utterance: Utterance, prompt: VoicePrompt | None) -> AsyncGenerator[Pcm, None]:
        """As the port says. A child that dies before the first sound is replaced, and the work is done again."""
        voice = await self._known_voice(prompt)
        for retry in (False, True):
            began = False
            try:
                async with aclosing(self._attempt(utterance, voice, fresh=retry)) as sound:
                    async for pcm in sound:
                        began = True
                        yield pcm
                return
            except ChildDied as error:
                _log.warning("espeak-ng's process died %s", "mid-speech" if began else "before it spoke")
                if began or retry:
                    raise SynthesisFailed("espeak-ng's process died while it spoke.") from error

    async def _attempt(self, utterance: Utterance, voice: _Voice, *, fresh: bool) -> AsyncGenerator[Pcm, None]:
        child = await self._idle.get()
        finished = False
        try:
            if fresh or not child.alive:
                child = await self._replace(child)
            variant, pitch = nearest(await self._pitch_hz(child, voice))
            name = self._voices[utterance.language or self._language] + variant
            rate = round(_WORDS_PER_MINUTE * utterance.speed)
            async with aclosing(child.speak(utterance.text, voice=name, rate=rate, pitch=pitch)) as sound:
                async for samples in sound:
                    yield Pcm(samples, child.rate_hz)
            finished = True
        except SynthesisFailed:
            finished = True
            raise
        finally:
            if finished:
                self._idle.put_nowait(child)
            else:
                task = asyncio.create_task(self._settle(child))
                self._settling.add(task)
                task.add_done_callback(self._settling.discard)

    async def _known_voice(self, prompt: VoicePrompt | None) -> _Voice:
        """The pitch where it is remembered, else the clip to measure."""
        if prompt is None:
            return _Voice()
        if prompt.key in self._pitches:
            self._pitches.move_to_end(prompt.key)
            return _Voice(pitch_hz=self._pitches[prompt.key])
        return _Voice(key=prompt.key, clip=await prompt.pcm())

    async def _pitch_hz(self, child: ChildProcess, voice: _Voice) -> float | None:
        if voice.clip is None:
            return voice.pitch_hz
        first = voice.clip.samples[: round(_MEASURED_S * voice.clip.rate_hz)]
        pitch_hz = await child.measure_pitch_hz(first, voice.clip.rate_hz)
        self._pitches[voice.key] = pitch_hz
        while len(self._pitches) > _REMEMBERED_PITCHES:
            self._pitches.popitem(last=False)
        return pitch_hz

    async def _settle(self, child: ChildProcess) -> None:
        """Make a child that was left mid-speech fit for the next request, or let the next request replace it."""
        try:
            await child.settle()
        except ChildDied:
            await child.end()
        finally:
            self._idle.put_nowait(child)

    async def _replace(self, dead: ChildProcess) -> ChildProcess:
        await dead.end()
        try:
            child = await ChildProcess.start(self._data_path)
        except (ChildDied, OSError) as error:
            raise Unavailable(f"espeak-ng's process does not start: {error}.", code="engine_unavailable") from error
        self._children.discard(dead)
        self._children.add(child)
        return child

    async def _close(self) -> None:
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)
        await asyncio.gather(*(child.end() for child in self._children))
