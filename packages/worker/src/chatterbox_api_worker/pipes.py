"""Pipes for megabytes: larger than the system's default, and read without a second copy."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from typing import Any, Final

__all__ = ["STREAM_LIMIT_BYTES", "enlarge", "read_payload", "skip_payload"]

STREAM_LIMIT_BYTES: Final = 2**19
"""asyncio buffers twice this of a pipe before it stops reading."""
_PIPE_BYTES: Final = 2**20
"""The most that Linux allows every user. A read then returns a quarter of it instead of a few pages."""
_SMALL_BYTES: Final = 2**16


def enlarge(process: Process) -> None:
    """Enlarge the pipes of a child where the system can; they work without it."""
    try:
        from fcntl import F_SETPIPE_SZ, fcntl
    except ImportError:  # not on Linux
        return
    for number in (0, 1):
        transport: Any = process._transport.get_pipe_transport(number)  # type: ignore[attr-defined] # no public way
        with contextlib.suppress(OSError):  # a socket, as asyncio makes one for the input before Python 3.12
            fcntl(transport.get_extra_info("pipe").fileno(), F_SETPIPE_SZ, _PIPE_BYTES)


async def read_payload(source: asyncio.StreamReader, size_bytes: int) -> memoryview:
    """Read the next `size_bytes` bytes. Raises IncompleteReadError where the input ends before."""
    if size_bytes <= _SMALL_BYTES:
        return memoryview(await source.readexactly(size_bytes))
    payload = bytearray(size_bytes)  # `readexactly` would hold it twice
    at = 0
    while at < size_bytes:
        part = await source.read(size_bytes - at)
        if not part:
            raise asyncio.IncompleteReadError(bytes(0), size_bytes)
        payload[at : at + len(part)] = part
        at += len(part)
    return memoryview(payload).toreadonly()


async def skip_payload(source: asyncio.StreamReader, size_bytes: int) -> None:
    """Read `size_bytes` bytes and drop them. Raises IncompleteReadError where the input ends before."""
    while size_bytes:
        part = await source.read(min(size_bytes, _SMALL_BYTES))
        if not part:
            raise asyncio.IncompleteReadError(bytes(0), size_bytes)
        size_bytes -= len(part)
