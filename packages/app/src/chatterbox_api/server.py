"""One process that serves HTTP and owns its signals.

The server is granian, embedded. It is as fast as uvicorn here (`benchmarks/servers.py`); it answers oversized headers
with 431 and slow ones with a timeout, which uvicorn does not. Two things it leaves to us. It shares its port with any
other process that asks for it, so two services would take each other's requests: the port is held here first. And it
stops listening at once when told to stop, so a notice comes before that.

    SIGTERM -> `/ready` says 503, DRAIN_NOTICE_S -> the port closes, open streams have DRAIN_S -> exit 0
    SIGINT  -> the same without the notice; a second signal of either kind ends the streams at once
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from chatterbox_api_core.errors import ConfigurationError

__all__ = ["Drain", "hold_port", "serve"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Drain:
    """How the service stops, and whether it is stopping."""

    notice_s: float
    streams_s: float
    begun: bool = False


@contextlib.contextmanager
def hold_port(host: str, port: int) -> Generator[tuple[str, int], None, None]:
    """Make sure that the port is ours alone, 0 being any free one.

    Yields:
        The address in numbers, and the port.

    Raises:
        ConfigurationError: another has it, or there is no such address.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, socket.SOCK_STREAM) as test:
            test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            test.bind(address)
            free_port: int = test.getsockname()[1]
            numeric = str(address[0])
    except (OSError, UnicodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is no address"
        raise ConfigurationError(
            f"The service cannot listen on {host}:{port}: {reason}.",
            field="PORT",
            remedy="Choose another PORT or HOST, or stop what listens there.",
        ) from None
    with socket.socket(family, socket.SOCK_STREAM) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ours.bind((address[0], free_port, *address[2:]))
        yield numeric, free_port


async def serve(app: Any, *, host: str, port: int, drain: Drain, on_listening: Callable[[], None]) -> None:
    """Serve until a signal, then drain. Returns when all is over."""
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
        http1_settings=HTTP1Settings(header_read_timeout=30_000),
    )
    serving = asyncio.create_task(server.serve())
    with _signals() as received:
        first = asyncio.create_task(received.get())
        await _until_listening(host, port, serving)
        on_listening()
        await asyncio.wait((serving, first), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            serving.result()
            raise RuntimeError("the HTTP server ended without being asked to")
        drain.begun = True
        again = asyncio.create_task(received.get())
        if first.result() == signal.SIGTERM:
            _log.info("stopping: not ready from now on, listening %g s more", drain.notice_s)
            await asyncio.wait((again,), timeout=drain.notice_s)
        server.stop()  # type: ignore[no-untyped-call]
        _log.info("stopping: open streams have %g s; a second signal ends them at once", drain.streams_s)
        await asyncio.wait((serving, again), timeout=drain.streams_s, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            _log.warning("stopping: streams that are still open are cut off")
        for task in (serving, again):
            task.cancel()
        await asyncio.gather(serving, again, return_exceptions=True)


async def _until_listening(host: str, port: int, serving: asyncio.Task[None]) -> None:
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


@contextlib.contextmanager
def _signals() -> Generator[asyncio.Queue[signal.Signals], None, None]:
    """SIGTERM and SIGINT as items of a queue."""
    received: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received.put_nowait, number)
    try:
        yield received
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
