"""A real browser, and web pages for it: Debian's Chromium, headless, with a profile of its own."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["WebPage", "browser_path", "browsing", "web_page"]


@dataclass
class WebPage:
    """A page that is served, and what its script has sent to `/report` there."""

    port: int
    reports: queue.Queue[str] = field(default_factory=queue.Queue)


def browser_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def web_page(html: str, *, port: int = 0) -> Iterator[WebPage]:
    """Serve the page at every address of a port of loopback, with the header `x-page`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = html.encode()
            self.send_response(200)
            for name, value in (("content-type", "text/html"), ("content-length", str(len(data))), ("x-page", "1")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/report":
                page.reports.put(data.decode())
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with _Server(("127.0.0.1", port), Handler) as server:
        page = WebPage(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield page
        finally:
            server.shutdown()
            thread.join()
            server.reset_connections()


class _Server(ThreadingHTTPServer):
    """Resets its connections in the end, so that another server can have the port at once."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._opened: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        opened, address = super().get_request()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._opened.append(opened)
        return opened, address

    def reset_connections(self) -> None:
        for opened in self._opened:
            with contextlib.suppress(OSError):  # the browser was faster
                opened.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """A browser may hang up."""


@contextmanager
def browsing(url: str, folder: Path) -> Iterator[None]:
    """Chromium on the page, for the length of the block; every name that ends in `.example` is this machine to it."""
    path = browser_path()
    assert path, "the caller has looked"
    flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--disable-background-networking", "--host-resolver-rules=MAP *.example 127.0.0.1"]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [path, *flags, f"--user-data-dir={folder / 'profile'}", url],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
