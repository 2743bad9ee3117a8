"""Hundreds of connections that never become requests: nobody else notices, and a stop does not wait for them."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest
from support.effort import LONG
from support.service import RunningService, running_service, start_service

HEAD: Final = b"POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BODY: Final = b'{"input": "Never all of it."}'
SIZED: Final = HEAD + b"Content-Length: 29\r\n\r\n"
CHUNKED: Final = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1d\r\n"
HTTP2: Final = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000") + bytes.fromhex("0000ff0104000000")
)
TLS: Final = bytes.fromhex("16030102000100") + bytes(500)

HALVES: Final[dict[str, Callable[[int], bytes]]] = {
    "silent": lambda _: b"",
    "half a head": lambda number: SIZED[: 1 + number % (len(SIZED) - 1)],
    "half a body": lambda number: SIZED + BODY[: number % len(BODY)],
    "half a chunk": lambda number: CHUNKED + BODY[: number % len(BODY)],
    "HTTP/2": lambda number: HTTP2[: 1 + number % len(HTTP2)],
    "TLS": lambda number: TLS[: 1 + number % len(TLS)],
    "idle": lambda _: b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "idle, half a head": lambda _: b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /hea",
}


@contextmanager
def connections(url: str, count: int, *kinds: str) -> Generator[list[socket.socket], None, None]:
    """As many open connections, each of which has sent what its kind sends."""
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with ExitStack() as stack:
        opened = []
        for number in range(count):
            opened.append(stack.enter_context(socket.create_connection(address, timeout=10)))
            if data := HALVES[kinds[number % len(kinds)]](number):
                opened[-1].sendall(data)
        yield opened


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningService, None, None]:
    with running_service(tmp_path_factory.mktemp("connections"), SYNTHESIZER="tone") as service:
        yield service


@pytest.mark.parametrize("kind", HALVES)
def test_three_hundred_of_a_kind_keep_nobody_waiting(service: RunningService, kind: str) -> None:
    with connections(service.url, 300, kind):
        for path in ("/health", "/ready", "/v1/voices"):
            assert httpx.get(service.url + path, timeout=5).status_code == 200


def test_many_hundreds_of_all_kinds_at_once(service: RunningService) -> None:
    with connections(service.url, 800, *HALVES):
        for _ in range(3):
            assert httpx.get(f"{service.url}/health", timeout=5).status_code == 200
        spoken = httpx.post(f"{service.url}/v1/audio/speech", json={"input": "Hello."}, timeout=10)
        assert (spoken.status_code, spoken.headers["content-type"]) == (200, "audio/mpeg")


def test_more_than_are_allowed_take_the_places_of_each_other(tmp_path: Path) -> None:
    """A stream goes on, and a new client is served, while five times as many as there may be come and stay."""
    settings = {"SYNTHESIZER": "tone", "TONE_PACE": "0.05", "MAX_CONNECTIONS": "64"}
    body = {"input": "This goes on and on. " * 20, "response_format": "wav", "stream": True}
    with running_service(tmp_path, **settings) as service:
        with httpx.stream("POST", f"{service.url}/v1/audio/speech", json=body, timeout=30) as answer:
            chunks = answer.iter_raw()
            received = len(next(chunks))
            with connections(service.url, 320, *HALVES):
                for _ in range(3):
                    assert httpx.get(f"{service.url}/health", timeout=5).status_code == 200
                received += sum(map(len, chunks))
        assert received > 44 + 20 * 20 * 0.06 * 24_000 * 2


def test_headers_and_idleness_have_their_times(tmp_path: Path) -> None:
    settings = {"SYNTHESIZER": "tone", "HEADER_TIMEOUT_S": "0.5", "KEEP_ALIVE_S": "0.5"}
    kinds = [kind for kind in HALVES if kind not in ("half a body", "half a chunk")]
    with running_service(tmp_path, **settings) as service, connections(service.url, 60, *kinds) as opened:
        began_s = time.monotonic()
        for each in opened:
            each.settimeout(20)
            with suppress(ConnectionResetError):
                while each.recv(4096):
                    pass
        assert time.monotonic() - began_s < 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_does_not_wait_for_them(tmp_path: Path, number: signal.Signals) -> None:
    service = start_service(tmp_path, SYNTHESIZER="tone", DRAIN_NOTICE_S="0", DRAIN_S="300")
    with connections(service.url, 80, *HALVES):
        assert httpx.get(f"{service.url}/health", timeout=5).status_code == 200
        service.process.send_signal(number)
        assert service.process.wait(timeout=20) == 0, service.log.read_text()
    assert "Traceback" not in service.log.read_text()
    assert "cut off" not in service.log.read_text(), "it waited until DRAIN_S was over"


def test_a_stop_waits_for_an_answer_that_is_not_yet_taken(tmp_path: Path) -> None:
    """The last byte has left the application, and most of them have not left the process."""
    service = start_service(tmp_path, SYNTHESIZER="tone", DRAIN_NOTICE_S="0")
    body = {"input": "a" * 1000, "response_format": "wav-float", "sample_rate": 48_000}
    with httpx.stream("POST", f"{service.url}/v1/audio/speech", json=body, timeout=60) as answer:
        chunks = answer.iter_raw()
        received = len(next(chunks))
        assert httpx.get(f"{service.url}/health", timeout=60).json()["requests"] == {"running": 0, "waiting": 0}
        service.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert service.process.poll() is None
        received += sum(map(len, chunks))
    assert received == int(answer.headers["content-length"]) > 10_000_000
    assert service.process.wait(timeout=20) == 0


DELAYS_S: Final = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5) if LONG else (0.0, 0.02, 0.3)


@pytest.mark.parametrize("streaming", [False, True], ids=["idle", "streaming"])
@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_a_second_signal_ends_it_in_good_order(tmp_path: Path, delay_s: float, streaming: bool) -> None:
    first, second = (signal.SIGTERM, signal.SIGINT) if streaming else (signal.SIGINT, signal.SIGTERM)
    for pair in ((first, second), (signal.SIGTERM, signal.SIGTERM)) if LONG else ((first, second),):
        service = start_service(tmp_path, SYNTHESIZER="tone", TONE_PACE="1", DRAIN_NOTICE_S="0", DRAIN_S="300")
        client = threading.Thread(target=_listen, args=(service.url,)) if streaming else None
        if client:
            client.start()
            _until_it_speaks(service.url)
        service.process.send_signal(pair[0])
        time.sleep(delay_s)
        service.process.send_signal(pair[1])
        assert service.process.wait(timeout=20) == 0, service.log.read_text()
        if client:
            client.join(10)
        log = service.log.read_text()
        assert "Traceback" not in log
        assert "ERROR" not in log
        assert log.rstrip().endswith("stopped")


def _listen(url: str) -> None:
    body = {"input": "This goes on and on. " * 60, "stream": True}
    try:
        with httpx.stream("POST", f"{url}/v1/audio/speech", json=body, timeout=60) as answer:
            for _ in answer.iter_raw():
                pass
    except httpx.TransportError:
        return


def _until_it_speaks(url: str) -> None:
    deadline = time.monotonic() + 20
    while httpx.get(f"{url}/health", timeout=60).json()["requests"]["running"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
