"""Whether the engine can be trusted with the next request: three failures in a row say no, for a while."""

from __future__ import annotations

import time
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, Unavailable

__all__ = ["Health"]

_LIMIT: Final = 3


class Health:
    """Counts failures in a row.

    Args:
        rest_s: after which one more request may try, so that a service that was taken out of rotation comes back.
    """

    def __init__(self, *, rest_s: float = 30.0) -> None:
        self._rest_s = rest_s
        self._failures = 0
        self._last: tuple[float, ChatterboxError] | None = None

    def succeeded(self) -> None:
        self._failures, self._last = 0, None

    def failed(self, error: ChatterboxError) -> None:
        self._failures += 1
        self._last = (time.monotonic(), error)

    def check(self) -> None:
        """Raises Unavailable after three failures in a row, until the next success or until `rest_s` have gone by."""
        if self._failures < _LIMIT or self._last is None:
            return
        failed_s, error = self._last
        left_s = failed_s + self._rest_s - time.monotonic()
        if left_s > 0:
            raise Unavailable(
                f"The engine has failed {self._failures} times in a row, the last time so: {error.message}",
                code="engine_failing",
                retry_after_s=left_s,
            ) from error
