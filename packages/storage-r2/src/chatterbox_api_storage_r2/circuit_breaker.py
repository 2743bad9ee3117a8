"""Whether the bucket is available: the one place that knows, for all callers, so that they need not each wait.

    closed         requests are sent
    unresponsive   the latest request had no answer, for `hold_s` from then on: a caller that can use what was last
                   known does not wait for the bucket; all others still send their requests
    open           a probe has failed: every call fails at once, until a probe is answered

A request that fails says no more than that something is wrong with it. So it opens nothing: it starts a probe, one
small read, and only a probe that fails opens the breaker. The probe is repeated until it is answered.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from chatterbox_api_core.errors import StorageFailed, Unavailable
from chatterbox_api_storage_r2.bucket import NotModified
from chatterbox_api_storage_r2.errors import TOO_NEW

__all__ = ["CircuitBreaker"]

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_GRACE_S: Final = 1.0
"""For a probe that does not keep its own limit."""


class CircuitBreaker:
    """See the module. Used on one event loop.

        breaker.check()                  # raises Unavailable while it is open
        answer = await breaker.observe(bucket.get(key))

    Args:
        probe: given a limit in seconds, returns within it when the bucket answers, else raises Unavailable. None
            for a bucket that cannot fail by itself; then the breaker never opens.
        probe_limit_s: that limit.
        probe_every_s: from one probe to the next while the breaker is open, give or take a quarter.
        retry_after_s: when callers that are refused may come back.
        hold_s: for how long one request without an answer makes the bucket unresponsive.
        clock: in seconds.

    Attributes:
        answers: how many requests that were observed have been answered.
        open_since: when the breaker opened; None while it is not open.
    """

    def __init__(
        self,
        probe: Callable[[float], Awaitable[None]] | None = None,
        *,
        probe_limit_s: float = 3.0,
        probe_every_s: float = 5.0,
        retry_after_s: float = 5.0,
        hold_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe, self._clock = probe, clock
        self._probe_limit_s, self._probe_every_s = probe_limit_s, probe_every_s
        self._retry_after_s, self._hold_s = retry_after_s, hold_s
        self._cause: Unavailable | None = None
        self._probing: asyncio.Task[None] | None = None
        self._unanswered_at: float | None = None
        self._closed = False
        self.answers = 0
        self.open_since: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once."""
        return self._cause is not None

    @property
    def is_unresponsive(self) -> bool:
        """Whether the latest request had no answer, less than `hold_s` ago."""
        return self._unanswered_at is not None and 0 <= self._clock() - self._unanswered_at < self._hold_s

    def check(self) -> None:
        """Return if requests may be sent.

        Raises:
            Unavailable: the breaker is open; with the cause.
        """
        if self._cause is not None:
            raise Unavailable(
                self._cause.message,
                code=self._cause.code,
                field=self._cause.field,
                remedy=self._cause.remedy,
                retry_after_s=self._retry_after_s,
            )

    async def observe(self, request: Awaitable[_T]) -> _T:
        """Await a read, and note whether it was answered. Returns and raises what the request does."""
        try:
            answer = await request
        except Unavailable as error:
            if error.code == TOO_NEW:  # one document that a newer version has written: the bucket has answered
                self._report_answer()
            else:
                self.report_no_answer()
            raise
        except (NotModified, StorageFailed):  # as it has where a document is damaged
            self._report_answer()
            raise
        self._report_answer()
        return answer

    def report_no_answer(self) -> None:
        """Say that a request has taken too long for its caller."""
        self._unanswered_at = self._clock()

    def report_failure(self) -> None:
        """Say that a request has failed. It starts probing, unless that goes on already."""
        if self._probing is None and self._probe is not None and not self._closed:
            self._probing = asyncio.create_task(self._probe_until_answered(self._probe))
            self._probing.add_done_callback(self._probing_ended)

    async def close(self) -> None:
        """Stop probing, for good."""
        self._closed = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])

    def _report_answer(self) -> None:
        self._unanswered_at = None
        self.answers += 1

    async def _probe_until_answered(self, probe: Callable[[float], Awaitable[None]]) -> None:
        while (cause := await self._failure_of(probe)) is not None:
            if self._cause is None:
                self.open_since = datetime.now(UTC)
            if self._cause is None or self._cause.code != cause.code:
                _log.warning("the bucket is unavailable: %s", cause)
            self._cause = cause
            await asyncio.sleep(self._probe_every_s * random.uniform(0.75, 1.25))  # noqa: S311
        if self.open_since is not None:
            since = self.open_since.isoformat(timespec="seconds")
            _log.warning("the bucket answers again; it was unavailable since %s", since)

    async def _failure_of(self, probe: Callable[[float], Awaitable[None]]) -> Unavailable | None:
        try:
            async with asyncio.timeout(self._probe_limit_s + _GRACE_S):
                await probe(self._probe_limit_s)
        except Unavailable as error:
            return error
        except TimeoutError:
            return Unavailable("The bucket does not answer in time.", code="storage_unreachable")
        return None

    def _probing_ended(self, task: asyncio.Task[None]) -> None:
        self._probing = None
        # With no probe to find out that the bucket is back, the breaker must not stay open.
        self._cause = self.open_since = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the probe of the bucket failed in an unexpected way", exc_info=error)
