"""The threads that encode: as many as there are processors, for all requests together.

A request's sound is encoded beside its engine: what the engine yields is queued for the encoder, and the engine goes
on. The queue is bounded in bytes, for all requests together. More threads than processors would only compete with the
event loop for Python's interpreter lock, so requests take turns of a fraction of a second.

No thread can be ended from outside. One that an encoder keeps beyond its deadline is given up: another takes its place,
and it ends with the program, since all are daemons.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from chatterbox_api_core.errors import Overloaded

if TYPE_CHECKING:
    from chatterbox_api_core.speech._background_encoder import BackgroundEncoder

__all__ = ["EncoderPool"]

_log = logging.getLogger(__name__)

_TURN_S: Final = 0.1
"""How long one request's encoder works before another's, so that a long one delays nobody's first sound for long."""
_IDLE_S: Final = 60.0
"""How long a thread waits for work before it ends: an idle service needs no threads, and a busy one starts none."""


class EncoderPool:
    """Used on one event loop. Its threads start as they are needed, and end with it.

    Args:
        threads: encoders that work at once; the processors that the program may use when None.
        max_pending_bytes: sound of all requests that waits for its encoder; beyond it an engine waits too.
    """

    def __init__(self, *, threads: int | None = None, max_pending_bytes: int = 64 * 2**20) -> None:
        self._threads = _Threads(threads or _processors())
        # The threads do not know the pool, so that they end when nobody does.
        weakref.finalize(self, self._threads.stop).atexit = False
        self._max_pending_bytes = max_pending_bytes
        self._pending_bytes = 0

    @property
    def pending_bytes(self) -> int:
        """The sound that waits for its encoder."""
        return self._pending_bytes

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much sound may wait beside what waits already."""
        return self._pending_bytes + size_bytes <= self._max_pending_bytes

    def count(self, size_bytes: int) -> None:
        """Count sound that waits; a negative size no longer does. Called on the event loop."""
        self._pending_bytes += size_bytes

    def submit(self, encoder: BackgroundEncoder) -> None:
        """Give an encoder that has work a turn; it must not have one already.

        Raises:
            Overloaded: there is no thread, and none can be started.
        """
        self._threads.submit(encoder)

    def give_up_thread(self) -> None:
        """Count the thread of an encoder that hangs no longer, so that another can take its place."""
        self._threads.give_up_one()


class _Threads:
    """The threads of a pool, and the encoders that wait for one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ready: deque[BackgroundEncoder] = deque()
        self._changed = threading.Condition()
        self._running = self._idle = 0
        self._is_stopped = False

    def submit(self, encoder: BackgroundEncoder) -> None:
        with self._changed:
            self._ready.append(encoder)
            # A thread that has been notified is idle until it runs, so that there may be more turns than idle threads.
            if len(self._ready) > self._idle and self._running < self._most:
                self._start()
            if not self._running:
                self._ready.remove(encoder)
                raise Overloaded("The server cannot start a thread for the encoder.")
            self._changed.notify()

    def give_up_one(self) -> None:
        with self._changed:
            self._running -= 1
            if self._ready:
                self._start()

    def stop(self) -> None:
        """Let the threads end that have nothing to do."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _start(self) -> None:
        """Start a thread, if the system gives one; those that work already take the turns otherwise."""
        try:
            threading.Thread(target=self._run, name="encoder", daemon=True).start()
        except RuntimeError:
            _log.error("no thread can be started for encoders, beside the %d that there are", self._running)
        else:
            self._running += 1

    def _run(self) -> None:
        while (encoder := self._next()) is not None:
            end = encoder.work(until=time.monotonic() + _TURN_S)
            if end == "given up":
                return  # another thread has taken its place
            if end == "more":
                with self._changed:
                    self._ready.append(encoder)  # this thread takes the next turn, so that no other need be started
            del encoder  # it would be kept until the next

    def _next(self) -> BackgroundEncoder | None:
        with self._changed:
            self._idle += 1
            try:
                if not self._changed.wait_for(lambda: self._ready or self._is_stopped, timeout=_IDLE_S):
                    self._running -= 1
                    return None
                if not self._ready:
                    return None
                return self._ready.popleft()
            finally:
                self._idle -= 1


def _processors() -> int:
    """Those that this program may use; a quota of time is not seen here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
