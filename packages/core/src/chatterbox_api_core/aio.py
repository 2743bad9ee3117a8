"""Small tools for asyncio that core and adapters share: shared calls, bounded caches, work that is finished.

All of them are used on one event loop. None of them starts a thread or needs to be closed, with one exception:
`SingleFlight.close` stops the calls that still run.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator, MutableMapping
from typing import Any, Generic, TypeVar

__all__ = ["CallStopped", "LruCache", "SingleFlight", "mark_retrieved", "run_to_completion"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


class CallStopped(Exception):
    """A shared call was stopped while others waited for its result."""


class _Call(Generic[T]):
    """One call, and how many wait for it."""

    def __init__(self) -> None:
        self.task: asyncio.Task[T]
        self.waiting = 0


class SingleFlight(Generic[K, T]):
    """Calls by key: whoever wants a result that is being made waits for it instead of making it again.

    A caller who is cancelled takes nothing from the others. Results are not kept after the call; `on_result` may.

        flights = SingleFlight[str, bytes](on_result=cache.__setitem__)
        data = await flights.run("key", fetch)

    Args:
        on_result: is given the key and the result of each call that succeeds and was not forgotten meanwhile.
        cancel_unused: whether a call is cancelled once all who waited for it have left. Otherwise it runs to its end.
    """

    def __init__(self, *, on_result: Callable[[K, T], None] | None = None, cancel_unused: bool = False) -> None:
        self._on_result, self._cancel_unused = on_result, cancel_unused
        self._calls: dict[K, _Call[T]] = {}

    def __contains__(self, key: K) -> bool:
        """Whether a call for this key runs, so that `run` would join it."""
        return key in self._calls

    def __len__(self) -> int:
        """How many calls run that can be joined."""
        return len(self._calls)

    async def run(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the call that runs for this key, else of `work`, which begins now.

        Raises:
            CallStopped: somebody stopped the call, and not this caller.
            Exception: what the call raises, to each who waits for it.
        """
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call()
            call.task = asyncio.create_task(self._do(key, call, work))
            mark_retrieved(call.task)
        call.waiting += 1
        try:
            return await asyncio.shield(call.task)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if call.task.cancelled() and not (current is not None and current.cancelling()):
                raise CallStopped(f"The call for {key!r} was stopped.") from None
            raise
        finally:
            call.waiting -= 1
            if self._cancel_unused and not call.waiting and not call.task.done():
                self._take_out(key, call)
                call.task.cancel()

    def forget(self, key: K) -> None:
        """Let nobody join the call for this key any more. Those who wait get its result; `on_result` does not."""
        self._calls.pop(key, None)

    async def close(self, *, timeout_s: float = 1.0) -> None:
        """Cancel all calls, and wait until they have ended, at most `timeout_s`. Who waits gets CallStopped."""
        tasks = [call.task for call in self._calls.values()]
        self._calls.clear()  # a task that is cancelled before its first step does not take itself out
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def _do(self, key: K, call: _Call[T], work: Callable[[], Awaitable[T]]) -> T:
        try:
            result = await work()
            if self._on_result is not None and self._calls.get(key) is call:
                self._on_result(key, result)
            return result
        finally:
            self._take_out(key, call)

    def _take_out(self, key: K, call: _Call[T]) -> None:
        """Another call for the same key may have begun since this one was forgotten; that one stays."""
        if self._calls.get(key) is call:
            del self._calls[key]


class LruCache(MutableMapping[K, V]):
    """A mapping that forgets what was read or written longest ago once it holds too much.

    Args:
        max_size: the most that it holds: entries, or with `size_of` the sum of their sizes. A value that is larger by
            itself is not kept, and no error.
        size_of: the size of a value, such as `len` for bytes; it must not change while the value is kept.
    """

    def __init__(self, max_size: int, *, size_of: Callable[[V], int] | None = None) -> None:
        self._max_size, self._size_of = max_size, size_of
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """What it holds now, in the unit of `max_size`."""
        return self._size

    def __getitem__(self, key: K) -> V:
        value = self._entries[key]
        self._entries.move_to_end(key)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self.pop(key, None)
        size = self._measure(value)
        if size > self._max_size:
            return
        self._entries[key] = value
        self._size += size
        while self._size > self._max_size:
            self._size -= self._measure(self._entries.popitem(last=False)[1])

    def __delitem__(self, key: K) -> None:
        self._size -= self._measure(self._entries.pop(key))

    def __contains__(self, key: object) -> bool:
        """Does not count as reading."""
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        """The keys, those that were used longest ago first."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _measure(self, value: V) -> int:
        return 1 if self._size_of is None else self._size_of(value)


async def run_to_completion(work: Awaitable[T], *, withdraw: Callable[[], bool] | None = None) -> T:
    """Wait for work that must not be left half done, such as a write.

    A caller who is cancelled leaves once the work has ended, so that nothing changes after the call. One that is
    cancelled a second time leaves at once, and the work still runs to its end.

    Args:
        work: a coroutine, which becomes a task, or a future that runs already.
        withdraw: tries to take back work that waits for its turn, and returns whether that succeeded; then a cancelled
            caller leaves at once. `concurrent.futures.Future.cancel` is such a function.

    Raises:
        CancelledError: the caller was cancelled, whatever became of the work.
        Exception: what the work raises.
    """
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        mark_retrieved(running)
        if withdraw is None or not withdraw():
            await asyncio.wait([running])
        raise


def mark_retrieved(future: asyncio.Future[Any]) -> None:
    """Look at the error of a future once it has ended, so that asyncio does not report one that nobody awaits."""
    future.add_done_callback(_retrieve)


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
