"""The ClipReader: clips are decoded in processes of their own, since what strangers send may crash a decoder.

Each process decodes one clip at a time, within a bound on its memory (`MEMORY_BYTES`), and is killed when the clip's
deadline has passed. A clip that crashes it, hangs it or fills its memory is refused, and nothing else happens.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Final

from chatterbox_api_core.errors import InvalidAudio, Overloaded
from chatterbox_api_core.types import Clip, ClipLimits, ClipReport, Pcm
from chatterbox_api_core.voices.clip_refusals import check_size
from chatterbox_api_encoders.mixing import MAX_RATE_HZ
from chatterbox_api_encoders.refusals import unreadable
from chatterbox_api_worker.pool import WorkerPool
from chatterbox_api_worker.spec import Cause, JobLimits, Timeouts, WorkerExited, WorkerSpec

__all__ = ["MEMORY_BYTES", "PyavClipReader"]

MEMORY_BYTES: Final = 128 * 2**20
"""What decoding one clip may take. The largest, 300 s at 48 kHz in a file of 10 MiB, takes 112 MiB."""
_MARGIN_S: Final = 0.5
"""Beyond the deadline, at which the decoder itself stops where it can."""
_TIMEOUTS: Final = Timeouts(load_s=30.0, wait_s=30.0, stall_s=math.inf, ping_s=5.0, cancel_s=0.5, retry_s=2.0)
"""A decoder says nothing before it is done; the deadline of its clip is what ends it."""
_MAX_WAITING: Final = 256
_MAX_HELD_BYTES: Final = 128 * 2**20
"""Of all clips that wait or are being read: hundreds of ordinary ones, a dozen of the largest."""
_MAX_WAIT_S: Final = 60.0
_INHERITED: Final = (
    "PATH", "PYTHON*", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "HOME", "TMPDIR", "TEMP", "TMP", "LANG",
    "LC_*", "COVERAGE_*", "COV_CORE_*",
)  # fmt: skip
"""What Python and its libraries need. The rest of the service's environment holds keys and tokens."""
_ENVIRONMENT: Final = {
    "MALLOC_ARENA_MAX": "1",  # each further arena takes 64 MiB of the address space, used or not
    "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20),  # what a long clip took goes back to the system when it is done,
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),  # and what a short one took is at hand for the next
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class PyavClipReader:
    """A ClipReader of wav, mp3, flac, ogg, opus, m4a, aac, webm and aiff. Use `open`."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._held_bytes = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, processes: int = 2, memory_bytes: int = MEMORY_BYTES
    ) -> AsyncGenerator[PyavClipReader, None]:
        """A reader for as long as the context lasts; its processes are started at once.

        Args:
            processes: that decode, each one clip at a time.
            memory_bytes: how much each may take beyond its size after the start. Linux enforces it. The default fits
                the limits that `ClipLimits` has by default; longer or larger clips need more.

        Raises:
            Unavailable: a process does not start.
        """
        spec = WorkerSpec(
            module="chatterbox_api_encoders.clip_worker",
            name="clip reader",
            title="Clip reader",
            config={"memory_bytes": memory_bytes},
            environment=_ENVIRONMENT,
            inherit=_INHERITED,
            code_prefix="clip_reader",
        )
        async with WorkerPool.open(
            spec, size=processes, timeouts=_TIMEOUTS, max_waiting=_MAX_WAITING, max_wait_s=_MAX_WAIT_S
        ) as pool:
            yield cls(pool)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that there are."""
        return self._pool.pids

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """As the port says. Overloaded is for too many clips that wait, and for too many bytes of them."""
        check_size(data, limits)
        if self._held_bytes and self._held_bytes + len(data) > _MAX_HELD_BYTES:
            raise Overloaded("Too many large clips wait to be read already.", code="clip_reader_overloaded")
        self._held_bytes += len(data)
        try:
            return await self._read(data, limits)
        finally:
            self._held_bytes -= len(data)

    async def _read(self, data: bytes, limits: ClipLimits) -> Clip:
        job = JobLimits(
            deadline_s=limits.deadline_s + _MARGIN_S,
            max_answer_bytes=4 * round((limits.max_duration_s + 1) * MAX_RATE_HZ),
        )
        try:
            answer, samples = await self._pool.run({"do": "decode", "limits": asdict(limits)}, data, limits=job)
        except WorkerExited as error:
            raise _refused(error.cause, limits) from error
        report = ClipReport(**{**answer["report"], "advice": tuple(answer["report"]["advice"])})
        return Clip(Pcm(samples.cast("f"), answer["sample_rate_hz"]), report)


def _refused(cause: Cause, limits: ClipLimits) -> InvalidAudio:
    """The error for a clip under which its process was lost."""
    if cause is Cause.DEADLINE:
        return unreadable(f"reading it took longer than {limits.deadline_s:g} s")
    if cause is Cause.UNRESPONSIVE:
        return unreadable("the decoder hung on it")
    if cause is Cause.ANSWER_TOO_LARGE:
        return unreadable("it decodes to more sound than is allowed")
    return unreadable("reading it crashed the decoder")
