"""The WatermarkDetector: Perth's, in a process of its own that leaves when nobody asks.

Perth gives one number from 0 to 1 for a whole sound. Of speech that it has marked, that is near 1 in every format we
make, and of other speech near 0. A tempo far from 1 blurs both. What is no speech it was not made to judge: it can
take a steady tone for marked, and lose the mark of an even noise at another tempo.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from chatterbox_api_core.types import Pcm, WatermarkFinding
from chatterbox_api_synth_chatterbox.supervisor import TIMEOUTS, ModelSupervisor
from chatterbox_api_worker.spec import Timeouts

__all__ = ["HEARD_S", "THRESHOLD", "PerthDetector"]

HEARD_S: Final = 60.0
"""How much of a sound is judged, from its beginning: that takes a second or two, and 0.2 GB."""
THRESHOLD: Final = 0.5
"""Perth's own: where its number is rounded, as it is unless asked otherwise, more than this is 1.

Measured with espeak-ng's speech in six languages, sentences of 2 to 5 s: in each format marked 0.94 and more, unmarked
0.07 and less; at tempos from 0.5 to 2, 0.87 and more, 0.22 and less.
"""
_TIMEOUTS: Final = replace(TIMEOUTS, idle_s=60.0)


class PerthDetector:
    """See the module. Use `open`."""

    def __init__(self, process: ModelSupervisor) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, timeouts: Timeouts = _TIMEOUTS, environment: Mapping[str, str] | None = None
    ) -> AsyncGenerator[PerthDetector, None]:
        """A detector for as long as the context lasts; its process starts with the first sound.

        Args:
            environment: for the process, beside that of this one.
        """
        process = ModelSupervisor({"role": "watermark"}, title="Perth", timeouts=timeouts, environment=environment)
        try:
            yield cls(process)
        finally:
            await process.close()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid

    async def detect(self, pcm: Pcm) -> WatermarkFinding:
        """As the port says; of a longer sound, the first 60 s are judged."""
        heard = Pcm(pcm.samples[: round(HEARD_S * pcm.sample_rate_hz)], pcm.sample_rate_hz)
        if not len(heard):
            return WatermarkFinding(marked=False, confidence=0.0, duration_s=0.0)
        answer, _ = await self._process.run(
            {"do": "detect", "sample_rate_hz": pcm.sample_rate_hz}, heard.samples.cast("B")
        )
        confidence = float(answer["confidence"])
        return WatermarkFinding(confidence > THRESHOLD, confidence, heard.duration_s)
