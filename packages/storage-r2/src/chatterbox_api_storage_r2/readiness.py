"""Whether the library can be used as a whole, known without a request to the bucket for each who asks."""

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
    """Looks when it is asked and what it knows is old, once for all who ask. Used on one event loop.

    Args:
        look: returns if all is well, else raises what is wrong.
        fresh_s: for how long what was found is not looked for again.
        failed_s: the same, where something was wrong.
        wait_s: how long a look may take; after that the last one that was good counts,
        stale_s: if it is not older than this.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[None]],
        *,
        fresh_s: float = 8.0,
        failed_s: float = 3.0,
        wait_s: float = 1.5,
        stale_s: float = 60.0,
    ) -> None:
        self._look, self._wait_s = look, wait_s
        self._fresh_s, self._failed_s, self._stale_s = fresh_s, failed_s, stale_s
        self._looking: asyncio.Task[None] | None = None
        self._failure: ChatterboxError | None = None
        self._looked_at = self._good_at = float("-inf")
        self._suspected = False

    def good(self) -> None:
        """Say that all has just been found well."""
        self._note(None, time.monotonic())

    def suspect(self) -> None:
        """Say that a call has failed: whoever asks next looks."""
        self._suspected = True

    async def check(self) -> None:
        """Unavailable, with the cause, where something is wrong."""
        if self._is_due() and self._looking is None:
            self._looking = asyncio.create_task(self._do_look())
            self._looking.add_done_callback(self._ended)
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=self._wait_s)
        if (error := self._failure) is not None:
            raise Unavailable(
                error.message, code=error.code, field=error.field, remedy=error.remedy, retry_after_s=_RETRY_AFTER_S
            )
        if time.monotonic() - self._good_at > self._stale_s:
            raise Unavailable("The bucket does not answer in time.", code="storage_unreachable", retry_after_s=2)

    async def close(self) -> None:
        """End a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    def _is_due(self) -> bool:
        age_s = time.monotonic() - self._looked_at
        return age_s > (self._failed_s if self._failure else self._fresh_s) or (self._suspected and not self._failure)

    async def _do_look(self) -> None:
        began_at, self._suspected = time.monotonic(), False
        try:
            await self._look()
        except ChatterboxError as error:
            self._note(error, began_at)
        else:
            self._note(None, began_at)

    def _note(self, failure: ChatterboxError | None, at: float) -> None:
        before, self._failure, self._looked_at = self._failure, failure, at
        if failure is None:
            self._good_at = at
        if failure is not None and (before is None or before.code != failure.code):
            _log.warning("not ready: %s", failure)
        elif before is not None and failure is None:
            _log.warning("ready again")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("whether the bucket can be used was not found out", exc_info=error)
