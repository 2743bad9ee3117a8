"""The ClipReader that decodes in child processes, since the file of a stranger may crash a decoder.

Each process decodes one clip at a time, within a limit on its memory (`MEMORY_BYTES`), and is killed at the clip's
deadline. A clip that crashes its process, hangs it or fills its memory is refused; no other clip is affected.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Final

from chatterbox_api_core.errors import Overloaded
from chatterbox_api_core.types import Clip, ClipLimits, ClipReport, Pcm
from chatterbox_api_core.voices.clip_refusals import check_size
from chatterbox_api_encoders.errors import error_from_exit
from chatterbox_api_encoders.mixing import MAX_RATE_HZ
from chatterbox_api_worker.pool import WorkerPool
from chatterbox_api_worker.spec import JobLimits, Timeouts, WorkerExited, WorkerSpec

__all__ = ["MEMORY_BYTES", "PyavClipReader"]

MEMORY_BYTES: Final = 128 * 2**20
"""The memory for decoding one clip. The largest clip, 300 s at 48 kHz in a file of 10 MiB, takes 112 MiB."""
_MARGIN_S: Final = 0.5
"""The time after the deadline before the process is killed. At the deadline the decoder stops by itself if it can."""
_TIMEOUTS: Final = Timeouts(load_s=30.0, wait_s=30.0, stall_s=math.inf, ping_s=5.0, cancel_s=0.5, retry_s=2.0)
"""Without a limit of silence, since a decoder sends nothing before it is done; the clip's deadline ends it."""
_MAX_WAITING: Final = 256
_MAX_HELD_BYTES: Final = 128 * 2**20
"""The bytes of all clips that wait or are being read: hundreds of ordinary clips, or a dozen of the largest."""
_MAX_WAIT_S: Final = 60.0
_INHERITED: Final = (
    "PATH", "PYTHON*", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "HOME", "TMPDIR", "TEMP", "TMP", "LANG",
    "LC_*", "COVERAGE_*", "COV_CORE_*",
)  # fmt: skip
"""The variables that Python and its libraries need. The rest of the environment may hold keys and tokens."""
_ENVIRONMENT: Final = {
    "MALLOC_ARENA_MAX": "1",  # each further arena takes 64 MiB of the address space, even unused
    "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20),  # the memory of a long clip returns to the system,
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),  # and that of a short clip is reused for the next
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class PyavClipReader:
    """A ClipReader of wav, mp3, flac, ogg, opus, m4a, aac, webm and aiff. Use `open`.

    async with PyavClipReader.open(processes=2) as reader:
        clip = await reader.read(data, limits=ClipLimits())
    """

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._held_bytes = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, processes: int = 2, memory_bytes: int = MEMORY_BYTES
    ) -> AsyncGenerator[PyavClipReader, None]:
        """Open a reader until the context ends. Its processes are started at once.

        Args:
            processes: the number of processes, each for one clip at a time.
            memory_bytes: how much memory each process may take beyond its size after the start. Linux enforces it.
                The default suits the default ClipLimits; longer or larger clips need more.

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
        """The ids of the running processes."""
        return self._pool.pids

    async def check(self) -> None:
        """Return once a process responds. Processes that do not respond are replaced.

        Raises:
            Unavailable: no process responds within 2 s.
        """
        await self._pool.check()

    async def read(self, data: bytes, *, limits: ClipLimits) -> Clip:
        """Decode a clip as the port says.

        Raises:
            InvalidAudio: the clip is refused, also where its process crashed, hung or ran out of memory.
            Overloaded, DeadlineExceeded: too many clips, or too many bytes of clips, wait.
            Unavailable: no process can be started.
        """
        check_size(data, limits)
        if self._held_bytes and self._held_bytes + len(data) > _MAX_HELD_BYTES:
            raise Overloaded("Too many large clips already wait to be read.", code="clip_reader_overloaded")
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
            raise error_from_exit(error, limits) from error
        report = ClipReport(**{**answer["report"], "advice": tuple(answer["report"]["advice"])})
        return Clip(Pcm(samples.cast("f"), answer["sample_rate_hz"]), report)
