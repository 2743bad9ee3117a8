"""A thread for one request's encoder, with a deadline for each call.

No thread can be ended from outside. A pool would lose one to each encoder that hangs, and the program could not end
while it does; this one is left behind, and ends with the program.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from chatterbox_api_core.errors import ChatterboxError, DeadlineExceeded, EncodingFailed

__all__ = ["EncoderThread"]

T = TypeVar("T")


class EncoderThread:
    """Made in a running event loop; must be closed.

    Args:
        deadline_s: the longest that one call may take.
    """

    def __init__(self, *, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        threading.Thread(target=self._run, name="encoder", daemon=True).start()

    async def call(self, function: Callable[..., T], *args: Any, **keywords: Any) -> T:
        """What the function returns.

        Raises:
            DeadlineExceeded: `encoder_timeout`.
            EncodingFailed: it raised something that is none of core's errors.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._calls.put((future, lambda: function(*args, **keywords)))
        deadline = asyncio.timeout(self._deadline_s)
        try:
            async with deadline:
                return await future
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(
                f"The encoder did not answer within {self._deadline_s:g} s.", code="encoder_timeout"
            ) from error
        finally:
            del deadline  # it knows the task, which keeps its exception, which keeps this frame and all that it holds

    def close(self) -> None:
        """Let the thread end, once it is done with what it does."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            result, error = None, None
            try:
                result = function()
            except ChatterboxError as failure:
                error = failure
            except BaseException as failure:
                error = EncodingFailed(f"The encoder failed: {type(failure).__name__}.")
                error.__cause__ = failure
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(_settle, future, result, error)
            del call, future, function, result, error  # they would be kept until the next call


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():  # nobody waits any more
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
