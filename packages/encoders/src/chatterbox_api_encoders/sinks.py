"""The sinks of core as the libraries want them."""

from __future__ import annotations

from chatterbox_api_core.ports import ByteSink

__all__ = ["StreamSink", "TellingSink"]


class StreamSink:
    """A sink that cannot seek. FFmpeg decides by the methods: with `write` alone, it writes what a stream needs."""

    def __init__(self, sink: ByteSink) -> None:
        self.write = sink.write


class TellingSink:
    """A sink for libsndfile, which asks for the position at the start and then only writes. It cannot seek."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink, self._position = sink, 0

    def write(self, data: bytes) -> int:
        """Write the bytes and return their number."""
        self._position += len(data)
        return self._sink.write(data)

    def tell(self) -> int:
        """The number of bytes that were written."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stay at the position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return nothing; libsndfile requires the method."""
        return b""
