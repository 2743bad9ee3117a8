"""How long anything may take between this service and the bucket: all limits, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CHUNK_BYTES", "DEFAULT_TIMEOUTS", "Timeouts"]

CHUNK_BYTES: Final = 256 * 1024
"""Large objects have more time: each limit that grows with the size does so by this many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Time limits, in seconds. Those of a request come from the settings, the others are fixed.

    One request:

    Attributes:
        connect_s: for making a connection, within each of the following.
        read_s: for each attempt of a read to be answered, and then for each 256 KiB of the answer.
        read_deadline_s: for all attempts of a read to be answered.
        write_s: for a write, which is attempted once; a second more for each 256 KiB.
        probe_s: for a probe of the circuit breaker.
        probe_every_s: from one probe to the next while the bucket is unavailable, give or take a quarter.

    One call of the store:

    Attributes:
        revalidate_s: for a read where the last known state can be used instead.
        unresponsive_s: for how long, after a request without an answer, such a read does not wait for the bucket.
        page_s: for a page of voices; also for the first one, which reads every voice.
        clip_s: for a clip. One that takes longer is fetched to its end, for whoever asks next.
        write_deadline_s: for a change as a whole; a second more for each 256 KiB of a clip.
    """

    connect_s: float = 2.0
    read_s: float = 3.0
    read_deadline_s: float = 8.0
    write_s: float = 10.0
    probe_s: float = 3.0
    probe_every_s: float = 5.0
    revalidate_s: float = 1.5
    unresponsive_s: float = 5.0
    page_s: float = 8.0
    clip_s: float = 8.0
    write_deadline_s: float = 30.0

    def read_limit_s(self, size_bytes: int) -> float:
        """For an object of this size to arrive, once its answer has begun."""
        return (1 + size_bytes // CHUNK_BYTES) * self.read_s

    def write_limit_s(self, size_bytes: int) -> float:
        """For one write of this size."""
        return self.write_s + size_bytes / CHUNK_BYTES

    def write_deadline_for_s(self, size_bytes: int) -> float:
        """For a change that sends a clip of this size."""
        return self.write_deadline_s + size_bytes / CHUNK_BYTES


DEFAULT_TIMEOUTS: Final = Timeouts()
