"""Which proxy requests go through, told before they do; and who is to blame when one fails."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import pytest
from support.service import free_port

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.proxies import proxy_for
from chatterbox_api_storage_r2.settings import Connection

NAMES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
PLAIN, BY_IP, SECURE = "http://bucket.invalid", "http://127.0.0.1:{unused}", "https://bucket.invalid"

RULES: list[tuple[str, Mapping[str, str]]] = [
    *((endpoint, {name: "{proxy}"}) for endpoint in (PLAIN, BY_IP, SECURE) for name in NAMES[:6]),
    *(
        (PLAIN, {"HTTP_PROXY": "{proxy}", name: excluded})
        for name in ("NO_PROXY", "no_proxy")
        for excluded in ("", "*", "a, *", "bucket.invalid", "invalid", ".invalid", ".bucket.invalid", "BUCKET.Invalid")
    ),
    *(
        (PLAIN, {"HTTP_PROXY": "{proxy}", "NO_PROXY": excluded})
        for excluded in ("*.invalid", "ucket.invalid", "bucket.invalid:80", "x bucket.invalid", "a,bucket.invalid ")
    ),
    *(
        (BY_IP, {"HTTP_PROXY": "{proxy}", "NO_PROXY": excluded})
        for excluded in ("127.0.0.1", "127.0.0.0/8", "127.1.2.3/8", "10.0.0.0/8", "*", "localhost", ".1")
    ),
    (PLAIN, {"HTTP_PROXY": "{proxy}", "http_proxy": ""}),
    (PLAIN, {"HTTP_PROXY": "", "http_proxy": "{proxy}"}),
    (PLAIN, {"HTTP_PROXY": "", "ALL_PROXY": "{proxy}"}),
    (PLAIN, {"HTTP_PROXY": "::nonsense::", "ALL_PROXY": "{proxy}"}),
    (PLAIN, {"HTTP_PROXY": "ftp://127.0.0.1", "ALL_PROXY": "{proxy}"}),
    (PLAIN, {"HTTP_PROXY": "{proxy}", "NO_PROXY": "", "no_proxy": "bucket.invalid"}),
    (PLAIN, {"HTTP_PROXY": "{proxy}", "REQUEST_METHOD": "GET"}),
    (PLAIN, {"HTTP_PROXY": "somebody:pass-word@127.0.0.1:{port}"}),
]


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def recording_proxy(answer: bytes) -> Generator[tuple[int, list[bytes]], None, None]:
    """A proxy that notes the first line of each request, and gives one answer."""
    listener, seen = socket.create_server(("127.0.0.1", 0)), list[bytes]()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    seen.append(connection.recv(65536).partition(b"\r\n")[0])
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def failure(endpoint: str) -> Unavailable:
    settings = Connection(endpoint, "voices", "key-id", "secret", read_attempts=1)
    async with ObstoreBucket.open(settings) as bucket:
        with pytest.raises(Unavailable) as failed:
            await bucket.get("library.json")
    return failed.value


@pytest.mark.parametrize(("endpoint", "environment"), RULES, ids=str)
async def test_it_is_told_as_the_client_library_does_it(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, environment: Mapping[str, str]
) -> None:
    with recording_proxy(answer("502 Bad Gateway")) as (port, seen):
        words = {"proxy": f"http://somebody:pass-word@127.0.0.1:{port}", "port": str(port), "unused": str(free_port())}
        endpoint = endpoint.format(**words)
        given = {name: value.format(**words) for name, value in environment.items()}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        found = proxy_for(endpoint, given)
        told = await failure(endpoint)
        assert (found is not None) == bool(seen)
    if found is not None:
        assert found.address == f"http://127.0.0.1:{port}"
        assert given[found.setting].endswith(f"127.0.0.1:{port}")
        assert found.address in told.message
        assert found.setting in told.message
        assert "NO_PROXY" in (told.remedy or "")
    assert "pass-word" not in f"{told} {told!r} {found!r}"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY", "all_proxy"])
async def test_a_dead_proxy_is_named_and_not_the_bucket(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    endpoint = SECURE if name.startswith("HTTPS") else PLAIN
    port = free_port()
    monkeypatch.setenv(name, f"http://somebody:pass-word@127.0.0.1:{port}")
    told = await failure(endpoint)
    assert told.code == "storage_unreachable"
    assert f"The proxy http://127.0.0.1:{port}, which {name} names" in told.message
    assert "nothing listens there" in told.message
    assert told.remedy == f"Correct {name}, or add bucket.invalid to NO_PROXY to go without a proxy."
    assert told.field == name
    assert "pass-word" not in str(told)


@pytest.mark.parametrize("endpoint", [PLAIN, SECURE])
async def test_a_proxy_whose_name_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.invalid:3128")
    told = await failure(endpoint)
    assert "The proxy http://proxy.invalid:3128, which ALL_PROXY names" in told.message
    assert "its name cannot be resolved" in told.message


@pytest.mark.parametrize(
    ("endpoint", "status", "said"),
    [
        (PLAIN, "407 Proxy Authentication Required", "requires a user and a password"),
        (SECURE, "407 Proxy Authentication Required", "a user and a password"),
        (SECURE, "502 Bad Gateway", "makes no connection to the server"),
        (PLAIN, "503 Service Unavailable", "go through the proxy"),
    ],
)
async def test_what_a_proxy_refuses_is_said_of_it(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, status: str, said: str
) -> None:
    with recording_proxy(answer(status)) as (port, _):
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{port}")
        told = await failure(endpoint)
    assert f"http://127.0.0.1:{port}" in told.message
    assert said in told.message
    assert "NO_PROXY" in (told.remedy or "")


async def test_a_kind_of_proxy_that_is_not_supported_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"socks5://somebody:pass-word@127.0.0.1:{free_port()}")
    told = await failure(SECURE)
    assert "The proxy socks5://127.0.0.1" in told.message
    assert "not supported" in told.message
    assert "pass-word" not in str(told)


async def test_without_a_proxy_the_bucket_is_named() -> None:
    told = await failure(f"http://127.0.0.1:{free_port()}")
    assert told.message.startswith("The bucket cannot be reached at 127.0.0.1:")
    assert told.field == "R2_ENDPOINT"
