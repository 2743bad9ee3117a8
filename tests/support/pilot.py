"""A watermark that needs no model: a tone of 3 kHz, found by its share of a sound's energy (Goertzel's algorithm).

A real detector of a real mark, for tests of everything around one. `installed_pilot` puts it where the application
finds it by its name.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_core.plugins import WATERMARK_DETECTORS, Plugin, Ready
from chatterbox_api_core.ports import WatermarkDetector
from chatterbox_api_core.types import Pcm, WatermarkFinding
from chatterbox_api_testkit.sounds import sine, wav

__all__ = ["PilotDetector", "installed_pilot", "marked_wav", "plugin", "unmarked_wav"]

_HZ: Final = 3000.0
_TESTS: Final = Path(__file__).parents[1]


class PilotDetector:
    """A WatermarkDetector.

    Args:
        failure: is raised instead of a finding.

    Attributes:
        at_once: the most sounds that were judged at the same time.
    """

    def __init__(self, *, failure: ChatterboxError | None = None) -> None:
        self._failure = failure
        self._running = 0
        self.at_once = 0
        self.release = asyncio.Event()
        self.release.set()

    async def detect(self, pcm: Pcm) -> WatermarkFinding:
        self._running += 1
        self.at_once = max(self.at_once, self._running)
        try:
            await self.release.wait()
            if self._failure is not None:
                raise self._failure
            confidence = await asyncio.to_thread(_share, pcm)
            return WatermarkFinding(confidence > 0.5, confidence, pcm.duration_s)
        finally:
            self._running -= 1


def _share(pcm: Pcm) -> float:
    """Of the energy, at the pilot's frequency; from 0 to 1."""
    turn = 2 * math.cos(2 * math.pi * _HZ / pcm.sample_rate_hz)
    before = last = energy = 0.0
    for value in pcm.samples:
        before, last = last, value + turn * last - before
        energy += value * value
    power = before * before + last * last - turn * before * last
    return min(1.0, 2 * power / (len(pcm) * energy)) if energy else 0.0


@asynccontextmanager
async def _open(env: Mapping[str, str]) -> AsyncGenerator[WatermarkDetector, None]:
    yield PilotDetector()


plugin: Final = Plugin[WatermarkDetector](settings=(), state=lambda env: Ready(), open=_open)


def installed_pilot(folder: Path) -> dict[str, str]:
    """Put the detector into a folder as a distribution; the settings for a process that is to use it."""
    info = folder / "pilot-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pilot\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{WATERMARK_DETECTORS}]\npilot = support.pilot:plugin\n")
    return {"WATERMARK_DETECTOR": "pilot", "PYTHONPATH": f"{folder}:{_TESTS}"}


def marked_wav(duration_s: float = 1.5) -> bytes:
    return wav(sine(_HZ, duration_s, sample_rate_hz=16_000))


def unmarked_wav(duration_s: float = 1.5) -> bytes:
    return wav(sine(440.0, duration_s, sample_rate_hz=16_000))
