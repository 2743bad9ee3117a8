"""How long a worker has been silent, counted in ticks of the parent.

Ticks rather than clock time, so that a parent or a machine that pauses does not take its own pause for silence.
"""

from __future__ import annotations

from chatterbox_api_worker.spec import Timeouts

__all__ = ["SilenceTimer"]


class SilenceTimer:
    """Counts the seconds without a frame while a frame is expected of a worker.

    Attributes:
        loaded: whether the worker is ready.
        job_running: whether the worker has started a job.
        frame_expected: whether the worker loads or has a job.
        ping_pending: whether a ping waits for its answer.
        paused: whether the parent does not read, so that no frame can arrive.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.loaded = self.job_running = self.ping_pending = self.paused = False
        self.frame_expected = True
        self._silent_s = self._ping_s = 0.0

    def frame_received(self) -> None:
        """Start counting anew."""
        self._silent_s = 0.0

    def ping_sent(self) -> None:
        """Start counting the time of a ping."""
        self._ping_s, self.ping_pending = 0.0, True

    @property
    def tick_s(self) -> float:
        """How many seconds to sleep before the next `count`."""
        return min(1.0, self._timeouts.ping_s / 10, self._limit_s() / 10)

    def count(self, tick_s: float) -> float | None:
        """Count a tick. Returns the limit in seconds that has been exceeded, or None."""
        self._silent_s = self._silent_s + tick_s if self.frame_expected and not self.paused else 0.0
        self._ping_s = self._ping_s + tick_s if self.ping_pending and not self.paused else 0.0
        if self._silent_s > self._limit_s():
            return self._limit_s()
        return self._timeouts.ping_s if self._ping_s > self._timeouts.ping_s else None

    def _limit_s(self) -> float:
        if not self.loaded:
            return self._timeouts.load_s
        return self._timeouts.stall_s if self.job_running else min(self._timeouts.ping_s, self._timeouts.stall_s)
