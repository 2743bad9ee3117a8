"""h11's parser of requests, with a limit of header bytes for all requests."""

from __future__ import annotations

from typing import TypeAlias

import h11

__all__ = ["RequestParser"]

_H11Event: TypeAlias = "h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]"


class RequestParser(h11.Connection):
    """h11's parser, which itself limits only headers that are still incomplete.

    Args:
        header_bytes: the most that a request's first line and headers may have.

    Attributes:
        method: of the request that is being read or answered; None between requests.
    """

    def __init__(self, header_bytes: int) -> None:
        super().__init__(h11.SERVER, header_bytes)
        self._header_bytes = header_bytes
        self.method: bytes | None = None

    @property
    def unread_bytes(self) -> int:
        """What has arrived and is not parsed yet."""
        return len(self.trailing_data[0])

    def next_event(self) -> _H11Event:
        """As h11's. Raises h11.RemoteProtocolError with the status 431 for headers that are too large."""
        before = self.unread_bytes if self.their_state is h11.IDLE else 0
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.method = event.method
            if before - self.unread_bytes > self._header_bytes:
                raise h11.RemoteProtocolError("The headers are too large.", error_status_hint=431)
        return event

    def start_next_cycle(self) -> None:
        """As h11's."""
        self.method = None
        super().start_next_cycle()
