"""Whether the library can be used as a whole, without a request to the bucket for each caller.

That is more than whether the bucket is available, which the circuit breaker knows: the library has to be ours, lists
have to work, and so do writes after one has failed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, Unavailable

__all__ = ["Readiness"]

_log = logging.getLogger(__name__)

_RETRY_AFTER_S: Final = 5.0


class Readiness:
    """Probes when it is asked and its last result is old, once for all callers. Used on one event loop.

        readiness = Readiness(probe)
        await readiness.check()

    Args:
        probe: returns if the library can be used, else raises what is wrong.
        fresh_s: for how long a good result is used.
        failed_s: for how long a bad result is used.
        wait_s: how long a caller waits for a probe. After that the last good result counts.
        stale_s: how old that one may be.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        *,
        fresh_s: float = 8.0,
        failed_s: float = 3.0,
        wait_s: float = 1.5,
        stale_s: float = 60.0,
    ) -> None:
        self._probe, self._wait_s = probe, wait_s
        self._fresh_s, self._failed_s, self._stale_s = fresh_s, failed_s, stale_s
        self._probing: asyncio.Task[None] | None = None
        self._failure: ChatterboxError | None = None
        self._probed_at = self._good_at = float("-inf")
        self._is_invalid = False

    def report_ready(self) -> None:
        """Say that the library has just been found usable."""
        self._note(None, time.monotonic())

    def invalidate(self) -> None:
        """Say that a call has failed: the next caller probes."""
        self._is_invalid = True

    async def check(self) -> None:
        """Return if the library can be used.

        Raises:
            Unavailable: it cannot, with the cause; or no probe has ended for long.
        """
        if self._is_due() and self._probing is None:
            self._probing = asyncio.create_task(self._run_probe())
            self._probing.add_done_callback(self._ended)
        if self._probing is not None:
            await asyncio.wait([self._probing], timeout=self._wait_s)
        if (error := self._failure) is not None:
            raise Unavailable(
                error.message, code=error.code, field=error.field, remedy=error.remedy, retry_after_s=_RETRY_AFTER_S
            )
        if time.monotonic() - self._good_at > self._stale_s:
            raise Unavailable("The bucket does not answer in time.", code="storage_unreachable", retry_after_s=2)

    async def close(self) -> None:
        """Cancel a probe that is under way."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])

    def _is_due(self) -> bool:
        age_s = time.monotonic() - self._probed_at
        return age_s > (self._failed_s if self._failure else self._fresh_s) or (self._is_invalid and not self._failure)

    async def _run_probe(self) -> None:
        began_at, self._is_invalid = time.monotonic(), False
        try:
            await self._probe()
        except ChatterboxError as error:
            self._note(error, began_at)
        else:
            self._note(None, began_at)

    def _note(self, failure: ChatterboxError | None, at: float) -> None:
        before, self._failure, self._probed_at = self._failure, failure, at
        if failure is None:
            self._good_at = at
        if failure is not None and (before is None or before.code != failure.code):
            _log.warning("not ready: %s", failure)
        elif before is not None and failure is None:
            _log.warning("ready again")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._probing = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the probe of readiness failed in an unexpected way", exc_info=error)
