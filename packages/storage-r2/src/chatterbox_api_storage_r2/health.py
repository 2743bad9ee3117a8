"""Whether the bucket answers, known once for all callers: so that they need not each wait to find out.

A call that fails says no more than that something is wrong. It starts a probe, one small read, and only a probe that
fails marks the bucket as away. From then on calls fail at once, and the probe is repeated until it is answered.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from chatterbox_api_core.errors import Unavailable

__all__ = ["Health"]

_log = logging.getLogger(__name__)

_GRACE_S: Final = 1.0
"""For a probe that does not keep its own limit."""


class Health:
    """Used on one event loop.

    Args:
        probe: given a limit in seconds, returns within it when the bucket answers, else raises Unavailable.
        limit_s: that limit.
        every_s: from one probe to the next while the bucket is away, give or take a quarter.
        retry_after_s: when those who are sent away may come back.

    Attributes:
        since: when the bucket was found to be away, None while it is not.
    """

    def __init__(
        self,
        probe: Callable[[float], Awaitable[None]],
        *,
        limit_s: float = 3.0,
        every_s: float = 5.0,
        retry_after_s: float = 5.0,
    ) -> None:
        self._probe = probe
        self._limit_s, self._every_s, self._retry_after_s = limit_s, every_s, retry_after_s
        self._cause: Unavailable | None = None
        self._probing: asyncio.Task[None] | None = None
        self._closed = False
        self.since: datetime | None = None

    @property
    def away(self) -> bool:
        return self._cause is not None

    def check(self) -> None:
        """Unavailable, with the cause, while the bucket is away."""
        if self._cause is not None:
            raise Unavailable(
                self._cause.message,
                code=self._cause.code,
                field=self._cause.field,
                remedy=self._cause.remedy,
                retry_after_s=self._retry_after_s,
            )

    def suspect(self) -> None:
        """Say that a call has failed. It starts probing, unless that goes on already."""
        if self._probing is None and not self._closed:
            self._probing = asyncio.create_task(self._probe_until_answered())
            self._probing.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop probing, for good."""
        self._closed = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])

    async def _probe_until_answered(self) -> None:
        while (cause := await self._failure()) is not None:
            if self._cause is None:
                self.since = datetime.now(UTC)
            if self._cause is None or self._cause.code != cause.code:
                _log.warning("the bucket is away: %s", cause)
            self._cause = cause
            await asyncio.sleep(self._every_s * random.uniform(0.75, 1.25))  # noqa: S311
        if self.since is not None:
            _log.warning("the bucket answers again; it was away since %s", self.since.isoformat(timespec="seconds"))

    async def _failure(self) -> Unavailable | None:
        try:
            async with asyncio.timeout(self._limit_s + _GRACE_S):
                await self._probe(self._limit_s)
        except Unavailable as error:
            return error
        except TimeoutError:
            return Unavailable("The bucket does not answer in time.", code="storage_unreachable")
        return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._probing = None
        self._cause = self.since = None  # with nobody to look for its return, it must not stay away
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the probe of the bucket failed in an unexpected way", exc_info=error)
