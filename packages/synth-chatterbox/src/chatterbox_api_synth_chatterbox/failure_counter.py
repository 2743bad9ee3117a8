"""Takes the engine out of rotation after three failures in a row, for a while."""

from __future__ import annotations

import time
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, Unavailable

__all__ = ["FailureCounter"]

_LIMIT: Final = 3


class FailureCounter:
    """Counts the failures since the last success.

    Args:
        rest_s: the time after the last failure after which `check` passes again, so that a service that was taken
            out of rotation gets one more request, in seconds.
    """

    def __init__(self, *, rest_s: float = 30.0) -> None:
        self._rest_s = rest_s
        self._failures = 0
        self._last: tuple[float, ChatterboxError] | None = None

    def succeeded(self) -> None:
        """Count from 0 again."""
        self._failures, self._last = 0, None

    def failed(self, error: ChatterboxError) -> None:
        """Count a failure; `check` quotes the last one."""
        self._failures += 1
        self._last = (time.monotonic(), error)

    def check(self) -> None:
        """Return unless the engine has failed three times in a row.

        Raises:
            Unavailable: it has, and neither a success nor `rest_s` seconds have followed.
        """
        if self._failures < _LIMIT or self._last is None:
            return
        failed_s, error = self._last
        left_s = failed_s + self._rest_s - time.monotonic()
        if left_s > 0:
            raise Unavailable(
                f"The engine has failed {self._failures} times in a row. The last error: {error.message}",
                code="engine_failing",
                retry_after_s=left_s,
            ) from error
