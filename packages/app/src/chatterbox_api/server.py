"""Serves HTTP in one process, handles its signals and drains it.

uvicorn's protocol carries the connections (`connections.py`); this module owns the socket, the signals and the drain.
The port is bound before the adapters are opened, so that two services never take each other's requests.

    SIGTERM -> `/ready` says 503, DRAIN_NOTICE_S -> the port closes, requests in work have DRAIN_S -> exit 0
    SIGINT  -> the same without the notice; a second signal of either kind ends them at once
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from uvicorn.config import Config

from chatterbox_api.connection_limits import ConnectionLimits
from chatterbox_api.connections import Connection, Connections
from chatterbox_api_core.errors import ConfigurationError

__all__ = ["Drain", "HttpServer", "Signals", "hold_port", "listening", "serve", "stop_signals"]

_log = logging.getLogger(__name__)

Signals: TypeAlias = "asyncio.Queue[signal.Signals]"
"""The signals that ask the process to end, in their order."""

_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 100
_OPEN_FILES: Final = 8192
_FILES_FOR_OTHERS: Final = 256
_SWEEP_S: Final = 0.5
_SILENT_S: Final = 0.5
_ABORT_S: Final = 5.0


@dataclass(slots=True)
class Drain:
    """How the service drains.

    Attributes:
        notice_s: for how long it keeps listening after SIGTERM, while `/ready` says 503.
        requests_s: for how long requests in work may go on after the port has closed.
        begun: whether it is draining.
    """

    notice_s: float
    requests_s: float
    begun: bool = False


@contextlib.contextmanager
def hold_port(host: str, port: int) -> Generator[socket.socket, None, None]:
    """Bind a socket to the port for the length of the block, without listening; 0 is any free port.

    Raises:
        ConfigurationError: another process has the port, or there is no such address.
    """
    try:
        ours = _bound(host, port)
    except (OSError, UnicodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is no address"
        raise ConfigurationError(
            f"The service cannot listen on {host}:{port}: {reason}.",
            field="PORT",
            remedy="Choose another PORT or HOST, or stop what listens there.",
        ) from None
    with ours:
        yield ours


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, socket.SOCK_STREAM) as test:
        test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        test.bind(address)
        address = (address[0], test.getsockname()[1], *address[2:])
    # asyncio sets TCP_NODELAY only where the protocol is named, and the sockets that are accepted inherit the name.
    ours = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # With SO_REUSEADDR alone, another socket could be bound there until this one listens.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            ours.bind(address)
        except OSError:
            # Connections of another program that had the port linger for a minute, though nobody listens.
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(address)
    except BaseException:
        ours.close()
        raise
    return ours


class HttpServer:
    """An application behind a listening socket. Made by `listening`."""

    def __init__(self, connections: Connections, listener: asyncio.Server) -> None:
        self._connections, self._listener = connections, listener

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The open connections; the one whose client has been silent the longest comes first."""
        return tuple(self._connections.by_silence)

    @property
    def request_count(self) -> int:
        """How many requests are in work."""
        return len(self._connections.tasks)

    async def stop(self) -> None:
        """Close the port, and return when every request has been answered.

        Connections without a request are closed at once, and those that have stopped in the middle of one.
        """
        self._listener.close()
        while self._connections.connections or self._connections.tasks:
            for connection in self.connections:
                connection.shutdown(silent_s=_SILENT_S)
            await asyncio.sleep(0.02)

    async def abort(self, *, within_s: float = _ABORT_S) -> None:
        """Close the port and every connection at once.

        Args:
            within_s: for how long requests may notice the disconnection, then for how long they may be cancelled.
        """
        self._listener.close()
        for connection in self.connections:
            connection.abort()
        if tasks := set(self._connections.tasks):
            _, pending = await asyncio.wait(tasks, timeout=within_s)
            for task in pending:
                task.cancel()
            if pending:
                _, pending = await asyncio.wait(pending, timeout=within_s)
            if pending:
                _log.error("stopping: %d requests did not end when they were cancelled", len(pending))


@contextlib.asynccontextmanager
async def listening(
    app: Any, sock: socket.socket, *, limits: ConnectionLimits | None = None
) -> AsyncGenerator[HttpServer, None]:
    """Serve the application on a bound socket for the length of the block, then abort what is open."""
    connections = Connections(limits or ConnectionLimits())
    config = Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=int(max(connections.limits.keep_alive_s, connections.limits.body_s)) + 1,
        h11_max_incomplete_event_size=connections.limits.header_bytes,
    )
    config.load()
    connections.sweep()
    sweeping = asyncio.create_task(_sweep(connections))
    listener = await asyncio.get_running_loop().create_server(
        lambda: Connection(config, connections, {}), sock=sock, backlog=_ACCEPTED_AT_ONCE
    )
    sock.listen(_BACKLOG)  # asyncio would accept as many in one go as may wait
    server = HttpServer(connections, listener)
    try:
        yield server
    finally:
        await server.abort()
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


async def serve(
    app: Any,
    sock: socket.socket,
    *,
    drain: Drain,
    signals: Signals,
    limits: ConnectionLimits,
    on_listening: Callable[[], None],
) -> None:
    """Serve until a signal arrives, drain, and return.

    Args:
        app: an ASGI application.
        sock: bound, see `hold_port`.
        signals: see `stop_signals`.
        on_listening: called once connections are accepted.
    """
    async with listening(app, sock, limits=replace(limits, connections=_affordable(limits.connections))) as server:
        on_listening()
        first = await signals.get()
        drain.begun = True
        again = asyncio.create_task(signals.get())
        if first == signal.SIGTERM:
            _log.info("stopping: not ready from now on, listening %g s more", drain.notice_s)
            await asyncio.wait((again,), timeout=drain.notice_s)
        _log.info("stopping: open streams have %g s; a second signal ends them at once", drain.requests_s)
        stopping = asyncio.create_task(server.stop())
        await asyncio.wait((stopping, again), timeout=drain.requests_s, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            _log.warning("stopping: open streams are cut off")
        elif error := stopping.exception():
            _log.error("stopping: waiting for requests failed, and they are cut off", exc_info=error)
        for task in (stopping, again):
            task.cancel()
        await asyncio.gather(stopping, again, return_exceptions=True)


@contextlib.contextmanager
def stop_signals() -> Generator[Signals, None, None]:
    """SIGTERM and SIGINT as items of a queue.

    They stay caught after the block: the process is about to end, and a signal must not kill it while it cleans up.
    """
    received: Signals = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _: object) -> None:
        loop.call_soon_threadsafe(received.put_nowait, signal.Signals(number))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    try:
        yield received
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


async def _sweep(connections: Connections) -> None:
    while True:
        await asyncio.sleep(_SWEEP_S)
        try:
            connections.sweep()
        except Exception:  # one failure must not end the checks for good
            _log.exception("the limits of the connections could not be checked")


def _affordable(connections: int) -> int:
    """`connections`, or fewer where the system does not let this process open as many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY or soft - _FILES_FOR_OTHERS >= connections:
        return connections
    affordable = max(64, soft - _FILES_FOR_OTHERS)
    _log.warning("the system allows %d open files, which is enough for %d connections", soft, affordable)
    return affordable
