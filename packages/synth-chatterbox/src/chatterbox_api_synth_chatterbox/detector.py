"""The WatermarkDetector on Perth, in a process that ends when it is idle.

Perth returns one number from 0 to 1 for a whole sound. The number is near 1 for speech that it has marked, in every
format of this project, and near 0 for other speech. A tempo far from 1 moves both towards the middle. Perth is made for
speech alone: it may take a steady tone for marked, and miss the mark of an even noise at another tempo.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from chatterbox_api_core.types import Pcm, WatermarkFinding
from chatterbox_api_synth_chatterbox.supervisor import TIMEOUTS, ModelSupervisor
from chatterbox_api_worker.spec import Timeouts

__all__ = ["JUDGED_S", "THRESHOLD", "PerthDetector"]

JUDGED_S: Final = 60.0
"""The length of the beginning of a sound that is judged. It takes a second or two, and 0.2 GB of memory."""
THRESHOLD: Final = 0.5
"""Perth's own threshold: it rounds its number by default, so that more than this is 1.

Measured with espeak-ng's speech in six languages, sentences of 2 to 5 s: in each format marked 0.94 and more, unmarked
0.07 and less; at tempos from 0.5 to 2, 0.87 and more, 0.22 and less.
"""
_TIMEOUTS: Final = replace(TIMEOUTS, idle_s=60.0)


class PerthDetector:
    """A WatermarkDetector of Perth's watermark. Use `open`.

    async with PerthDetector.open() as detector:
        finding = await detector.detect(pcm)
        print(finding.marked, finding.confidence)
    """

    def __init__(self, process: ModelSupervisor) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, timeouts: Timeouts = _TIMEOUTS, environment: Mapping[str, str] | None = None
    ) -> AsyncGenerator[PerthDetector, None]:
        """Open a detector until the context ends. Its process starts with the first sound.

        Args:
            timeouts: how long each step of the process may take.
            environment: environment variables of the process, in addition to those of this process.
        """
        process = ModelSupervisor({"role": "watermark"}, title="Perth", timeouts=timeouts, environment=environment)
        try:
            yield cls(process)
        finally:
            await process.close()

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""
        return self._process.pid

    async def detect(self, pcm: Pcm) -> WatermarkFinding:
        """Look for the watermark in the first 60 s. A sound without samples is not marked.

        Raises:
            SynthesisFailed: the process failed, hung or exited.
            Unavailable, ConfigurationError: Perth cannot be loaded.
        """
        judged = Pcm(pcm.samples[: round(JUDGED_S * pcm.sample_rate_hz)], pcm.sample_rate_hz)
        if not len(judged):
            return WatermarkFinding(marked=False, confidence=0.0, duration_s=0.0)
        answer, _ = await self._process.run(
            {"do": "detect", "sample_rate_hz": pcm.sample_rate_hz}, judged.samples.cast("B")
        )
        confidence = float(answer["confidence"])
        return WatermarkFinding(confidence > THRESHOLD, confidence, judged.duration_s)
