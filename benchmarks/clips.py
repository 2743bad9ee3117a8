"""What it costs to read a clip in a process of its own: in turns with the same in this process, on the same machine.

`hatch run bench:clips [ROUNDS]`; the difference of the medians is the cost, the difference of the best is without what
else the machine does.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from itertools import pairwise
from statistics import median

from chatterbox_api_core.ports import ClipReader
from chatterbox_api_core.types import ClipLimits, Pcm
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.worker_clip_reader import PyavClipReader
from chatterbox_api_testkit.sounds import voice_like, wav

LIMITS = ClipLimits()


async def main(rounds: int) -> None:
    clips = {
        "10 s, 24 kHz": wav(voice_like(120, 10)),
        "10 s, 48 kHz, stereo": wav(_at_48(voice_like(120, 10)), channels=2),
    }
    async with PyavClipReader.open() as worker:
        readers: dict[str, ClipReader] = {"in process": InProcessClipReader(), "worker": worker}
        for name, clip in clips.items():
            took_ms: dict[str, list[float]] = {each: [] for each in readers}
            for _ in range(rounds):
                for each, reader in readers.items():
                    took_ms[each].append(await _read_ms(reader, clip))
            print(name)
            for each, values in took_ms.items():
                print(f"  {each:12} median {median(values):6.1f} ms, best {min(values):6.1f} ms")
            for about, of in (("median", median), ("best", min)):
                here, there = of(took_ms["in process"]), of(took_ms["worker"])
                print(f"  {about}: {there - here:+.1f} ms, {there / here:.2f} of in process")


async def _read_ms(reader: ClipReader, clip: bytes) -> float:
    began_s = time.perf_counter()
    await reader.read(clip, limits=LIMITS)
    return (time.perf_counter() - began_s) * 1000


def _at_48(pcm: Pcm) -> Pcm:
    """The same sound with a sample between each two."""
    doubled = [value for a, b in pairwise([*pcm.samples, 0.0]) for value in (a, (a + b) / 2)]
    return Pcm(memoryview(struct.pack(f"{len(doubled)}f", *doubled)).cast("f"), 2 * pcm.sample_rate_hz)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40))
