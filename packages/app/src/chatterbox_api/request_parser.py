"""h11's parser of requests, with what it lacks."""

from __future__ import annotations

from typing import TypeAlias

import h11

__all__ = ["RequestParser"]

_H11Event: TypeAlias = "h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]"


class RequestParser(h11.Connection):
    """h11's, with a limit for heads that arrive as a whole; its own is for those that are not yet complete."""

    def __init__(self, header_bytes: int) -> None:
        super().__init__(h11.SERVER, header_bytes)
        self._header_bytes = header_bytes
        self.method: bytes | None = None  # of the request that is being read or answered

    @property
    def unread_bytes(self) -> int:
        return len(self.trailing_data[0])

    def next_event(self) -> _H11Event:
        before = self.unread_bytes if self.their_state is h11.IDLE else 0
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.method = event.method
            if before - self.unread_bytes > self._header_bytes:
                raise h11.RemoteProtocolError("The head is too long.", error_status_hint=431)
        return event

    def start_next_cycle(self) -> None:
        self.method = None
        super().start_next_cycle()
