"""One request's encoder, beside its engine: what the engine yields is queued, and threads of the pool encode it.

    idle --push--> queued --a thread takes it--> working --all is encoded--> idle
                     ^                              |
                     +---- its turn has ended ------+--- its deadline passes ---> given up

A format that is encoded in less time than handing it to a thread takes is encoded by the event loop, call by call,
while the memory has room. That happens after `push` has returned: the engine goes on first, so that its slot is free.

Calls of one encoder come one after the other, though not from the same thread. One that hangs keeps its thread until
its deadline, whether or not its request is still there; other requests' encoders wait for it as for any that works.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from chatterbox_api_core.errors import ChatterboxError, DeadlineExceeded, EncodingFailed, Overloaded
from chatterbox_api_core.ports import StreamEncoder
from chatterbox_api_core.speech._encoder_pool import EncoderPool
from chatterbox_api_core.speech.spool import Spool
from chatterbox_api_core.types import Pcm

__all__ = ["BackgroundEncoder", "TurnEnd"]

TurnEnd: TypeAlias = Literal["idle", "more", "given up"]

_MAX_CALL_SAMPLES: Final = 2**14
"""Sound that is encoded in one call: the bytes of a long piece leave as they are made, and the event loop has its turn
after a quarter of a millisecond of an uncompressed format."""
_MAX_BYTES_PER_SAMPLE: Final = 8
"""Of an uncompressed format, with room for its header and for a rate of its own."""


class BackgroundEncoder:
    """Used on one event loop; must be closed.

    Args:
        open_encoder: opens the encoder, which writes into `spool`.
        inline: whether the format is encoded on the event loop where that is possible.
        deadline_s: the longest that one call of the encoder may take.
        on_written: called on the event loop after sound has been encoded.
        on_failure: called on the event loop once, when `failure` is there.
    """

    def __init__(
        self,
        open_encoder: Callable[[], StreamEncoder],
        *,
        spool: Spool,
        pool: EncoderPool,
        inline: bool,
        deadline_s: float,
        on_written: Callable[[], None],
        on_failure: Callable[[], object],
    ) -> None:
        self._open, self._spool, self._pool = open_encoder, spool, pool
        self._inline, self._deadline_s = inline, deadline_s
        self._on_written, self._on_failure = on_written, on_failure
        self._loop = asyncio.get_running_loop()
        self._encoder: StreamEncoder | None = None
        self._lock = threading.Lock()
        """Of the next six, which the event loop and a thread of the pool share."""
        self._calls: deque[Pcm | None] = deque()
        """Sound to be encoded; None flushes."""
        self._is_queued = False
        """Whether it waits for a thread or has one."""
        self._has_failed = False
        self._call_began: float | None = None
        self._is_given_up = self._is_closed = self._is_flushed = False
        self._pending_calls = self._pending_bytes = 0
        """What `_on_done` has not been told of yet; the event loop's."""
        self._failure: ChatterboxError | None = None
        self._advanced = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def failure(self) -> ChatterboxError | None:
        """What went wrong, if anything did."""
        return self._failure

    async def push(self, pcm: Pcm) -> None:
        """Take sound in. Waits only while too much sound of all requests waits for its encoder.

        Raises:
            DeadlineExceeded: `encoder_timeout`, a call of the encoder takes too long.
            EncodingFailed: the encoder raised something that is none of core's errors.
            ChatterboxError: what the encoder or the spool raised.
        """
        await asyncio.sleep(0)  # an engine whose sound is all there would otherwise keep the event loop to itself
        self._check()
        for begin in range(0, len(pcm), _MAX_CALL_SAMPLES):
            part = Pcm(pcm.samples[begin : begin + _MAX_CALL_SAMPLES], pcm.sample_rate_hz)
            while self._pending_bytes and not self._pool.has_room(_size_bytes(part)):
                await self._next_advance()
            self._enqueue(part)

    async def finish(self) -> None:
        """Flush the encoder, and wait until all is written. Raises what `push` raises."""
        self._check()
        self._enqueue(None)
        await self.drain()

    async def drain(self) -> None:
        """Wait until what was pushed is encoded. Raises what `push` raises."""
        while self._pending_calls:
            await self._next_advance()
        self._check()

    def close(self) -> None:
        """Let go of what is not encoded. A call that is under way ends by itself, and nothing follows it."""
        with self._lock:
            self._is_closed = True
            self._calls.clear()
            is_in_the_middle = self._encoder is not None and not self._is_flushed and not self._inline
            released_later = self._is_queued or is_in_the_middle
            submits, self._is_queued = released_later and not self._is_queued, released_later
        if not released_later:
            self._encoder = None
        elif submits:
            # A codec that is left in the middle may take some milliseconds to end, and the event loop has no time.
            with contextlib.suppress(Overloaded):
                self._pool.submit(self)
        self._forget_pending()
        self._on_written = self._on_failure = _nothing  # they know the owner of this object: a reference cycle
        self._failure = None  # its traceback knows this object

    def work(self, *, until: float) -> TurnEnd:
        """Encode what is queued, until it is done or the time has come. Called in a thread of the pool."""
        ended: StreamEncoder | None = None
        while True:
            with self._lock:
                if self._has_failed:
                    self._calls.clear()  # pushed before the event loop knew
                if not self._calls:
                    self._is_queued = False
                    if self._is_closed:
                        ended, self._encoder = self._encoder, None
                    break
                pcm = self._calls.popleft()
                self._call_began = time.monotonic()
            error = self._call(pcm, failures=BaseException)
            with self._lock:
                self._call_began = None
                self._has_failed = error is not None
                if self._is_given_up:
                    self._encoder = None
                    return "given up"
                more = bool(self._calls)
            self._notify(_size_bytes(pcm), error)
            del pcm, error  # they would be kept until the next call
            if more and time.monotonic() > until:
                return "more"
        del ended  # outside of the lock: a codec may take its time
        return "idle"

    def _call(self, pcm: Pcm | None, *, failures: type[BaseException]) -> ChatterboxError | None:
        """Encode or flush; what the encoder raises becomes one of core's errors."""
        try:
            if self._encoder is None:
                self._encoder = self._open()
            if pcm is None:
                self._encoder.flush()
                self._is_flushed = True
            else:
                self._encoder.encode(pcm)
        except ChatterboxError as error:
            return error
        except failures as error:
            return _encoding_failed(error)
        return None

    def _enqueue(self, pcm: Pcm | None) -> None:
        size_bytes = _size_bytes(pcm)
        self._pending_calls += 1
        self._pending_bytes += size_bytes
        self._pool.count(size_bytes)
        with self._lock:
            self._calls.append(pcm)
            has_turn, self._is_queued = self._is_queued, True
        if has_turn:
            return
        if self._inline:
            self._loop.call_soon(self._work_inline)
        else:
            self._submit()

    def _submit(self) -> None:
        self._pool.submit(self)
        if self._deadline is None:
            self._deadline = self._loop.call_later(self._deadline_s, self._check_deadline)

    def _work_inline(self) -> None:
        """Make one call on the event loop, or hand what is queued to the pool where the memory may not hold it."""
        if not self._calls:
            self._is_queued = False
            if self._is_closed:
                self._encoder = None
            return
        pcm = self._calls[0]
        samples = 0 if pcm is None else len(pcm)
        if not self._spool.fits_in_memory(_MAX_BYTES_PER_SAMPLE * (samples + 1024)):
            try:
                self._submit()
            except Overloaded as error:
                self._fail(error)
            return
        self._calls.popleft()
        # Ctrl-C and the like are the program's, whose thread this is.
        self._on_done(_size_bytes(pcm), self._call(pcm, failures=Exception))
        if self._failure is not None:
            self._calls.clear()
        self._loop.call_soon(self._work_inline)

    def _notify(self, size_bytes: int, error: ChatterboxError | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._on_done, size_bytes, error)

    def _on_done(self, size_bytes: int, error: ChatterboxError | None) -> None:
        if self._is_closed or self._failure is not None:
            self._cancel_deadline()  # it was kept for this call
            return
        self._pending_calls -= 1
        self._pending_bytes -= size_bytes
        self._pool.count(-size_bytes)
        failure = error or self._spool.failure
        if failure is None:
            self._on_written()
            self._advanced.set()
        else:
            self._fail(failure)
        del failure, error  # the frame would be part of a cycle: it knows this object, and the traceback the frame

    def _check_deadline(self) -> None:
        """Give the thread up if one call has lasted for too long; calls that wait for a thread have not begun."""
        self._deadline = None
        with self._lock:
            began = self._call_began
            left_s = self._deadline_s if began is None else began + self._deadline_s - time.monotonic()
            self._is_given_up = left_s <= 0
        if self._is_given_up:
            if not self._is_closed and self._failure is None:
                message = f"The encoder did not respond within {self._deadline_s:g} s."
                self._fail(DeadlineExceeded(message, code="encoder_timeout"))
            self._pool.give_up_thread()
        elif self._pending_calls or began is not None:
            self._deadline = self._loop.call_later(left_s, self._check_deadline)

    def _fail(self, failure: ChatterboxError) -> None:
        self._failure = failure
        self._forget_pending()
        self._on_failure()
        self._advanced.set()

    def _forget_pending(self) -> None:
        self._pool.count(-self._pending_bytes)
        self._pending_calls = self._pending_bytes = 0
        with self._lock:
            is_working = self._call_began is not None
        if not is_working:  # else its thread is given up when the deadline passes, whoever is gone by then
            self._cancel_deadline()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    async def _next_advance(self) -> None:
        self._advanced.clear()
        await self._advanced.wait()
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


def _size_bytes(pcm: Pcm | None) -> int:
    return 0 if pcm is None else pcm.samples.nbytes


def _encoding_failed(error: BaseException) -> EncodingFailed:
    failed = EncodingFailed(f"The encoder failed: {type(error).__name__}.")
    failed.__cause__ = error
    return failed


def _nothing() -> None:
    """The callbacks of an encoder that is closed."""
