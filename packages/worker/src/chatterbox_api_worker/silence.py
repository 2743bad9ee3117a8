"""How long a worker has been silent, in ticks of the parent's own: a pause of the parent or the machine is none."""

from __future__ import annotations

from chatterbox_api_worker.spec import Timeouts

__all__ = ["Silence"]


class Silence:
    """Counts while something is expected of a worker.

    Attributes:
        loaded: whether the worker is ready.
        working: whether a job is in work.
        expected: whether a job, or the end of loading, is to come.
        ping: whether an answer to a ping is to come.
        paused: whether the worker cannot say anything, because the parent does not read.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.loaded = self.working = self.ping = self.paused = False
        self.expected = True
        self._silent_s = self._ping_s = 0.0

    def heard(self) -> None:
        self._silent_s = 0.0

    def pinged(self) -> None:
        self._ping_s, self.ping = 0.0, True

    @property
    def tick_s(self) -> float:
        """How long to sleep before the next `count`."""
        return min(1.0, self._timeouts.ping_s / 10, self._limit_s() / 10)

    def count(self, tick_s: float) -> float | None:
        """Count a tick; the limit in seconds once the worker has been silent for longer."""
        self._silent_s = self._silent_s + tick_s if self.expected and not self.paused else 0.0
        self._ping_s = self._ping_s + tick_s if self.ping and not self.paused else 0.0
        if self._silent_s > self._limit_s():
            return self._limit_s()
        return self._timeouts.ping_s if self._ping_s > self._timeouts.ping_s else None

    def _limit_s(self) -> float:
        if not self.loaded:
            return self._timeouts.load_s
        return self._timeouts.stall_s if self.working else min(self._timeouts.ping_s, self._timeouts.stall_s)
