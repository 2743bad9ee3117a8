"""Which web page may call, and by which name: tables of what browsers send, and a model of the rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.types import Receive, Scope, Send

from chatterbox_api_http_litestar.access_control import AccessControl

OWN = "http://127.0.0.1:4123"
LOOPBACK = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1", "[::1]"))
WRITES = ("POST", "PUT", "DELETE", "PATCH")


class Reached:
    """An application that says that it was reached, and reads no body before."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"reached", "more_body": False})


async def ask(
    method: str,
    *headers: tuple[str, str],
    cors: Sequence[str] = LOOPBACK,
    hosts: Sequence[str] | None = (),
    target: str | None = None,
) -> httpx.Response:
    """One request with exactly these headers, and `Host: 127.0.0.1:4123` where none is among them."""
    app = Reached()
    guarded = AccessControl(app, cors_origins=cors, allowed_hosts=hosts)
    names = {name.lower() for name, _ in headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    if "host" not in names:
        raw.append((b"host", b"127.0.0.1:4123"))
    messages: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        messages.append(message)

    path = target or "/v1/voices"
    scope: Any = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": raw}
    await guarded(scope, receive, send)
    answer = httpx.Response(messages[0]["status"], headers=messages[0]["headers"], content=messages[1]["body"])
    assert (answer.status_code == 200) == bool(app.requests)
    return answer


def check_refused(answer: httpx.Response, code: str, status: int = 403) -> None:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["message"].endswith(".")
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"


def fetch(site: str | None, origin: str | None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (("Sec-Fetch-Site", site), ("Origin", origin)) if value is not None]


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    ("site", "origin", "more", "let_in"),
    [
        (None, None, [], True),  # a program that is no browser
        ("none", None, [], True),
        ("same-origin", OWN, [], True),
        ("same-origin", "https://studio.example", [], True),  # a proxy that rewrites Host
        ("cross-site", "https://evil.example", [], False),
        ("cross-site", "null", [], False),
        ("cross-site", None, [], False),
        ("same-site", None, [], False),
        ("Cross-Site", "https://evil.example", [], False),
        ("something new", None, [], False),
        ("", None, [], False),
        ("same-site", "http://127.0.0.1:3000", [], True),  # CORS lets in pages of this machine
        ("cross-site", "http://localhost:3000", [], True),
        ("cross-site", "https://[::1]:8443", [], True),
        ("cross-site", "http://localhost", [], True),
        ("cross-site", "http://localhost.evil.example", [], False),
        ("cross-site", "http://localhost:3000.evil.example", [], False),
        ("cross-site", "http://evil.example:localhost", [], False),
        ("cross-site", "http://localhost:", [], False),
        ("cross-site", "ftp://localhost:3000", [], False),
        (None, OWN, [], True),  # browsers leave Sec-Fetch-Site out over plain http on a network
        (None, "http://nas.lan:4123", [("Host", "nas.lan:4123")], True),
        (None, "http://NAS.lan:4123", [("Host", "nas.LAN.:4123")], True),
        (None, "http://nas.lan", [("Host", "nas.lan")], True),
        (None, "http://nas.lan", [("Host", "nas.lan:80")], True),
        (None, "https://nas.lan", [("Host", "nas.lan")], True),
        (None, "https://nas.lan", [("Host", "nas.lan:443")], True),
        (None, "https://nas.lan", [("Host", "nas.lan:80")], False),
        (None, "http://nas.lan:8080", [("Host", "nas.lan:4123")], False),  # another service of the same machine
        (None, "http://nas.lan:8080", [("Host", "nas.lan")], False),
        (None, "http://[fe80::1]:4123", [("Host", "[fe80::1]:4123")], True),
        (None, "http://evil.example", [("Host", "nas.lan:4123")], False),
        (None, "http://nas.lan.evil.example:4123", [("Host", "nas.lan:4123")], False),
        (None, "null", [("Host", "nas.lan:4123")], False),
        (None, "", [("Host", "nas.lan:4123")], False),
        (None, "nas.lan:4123", [("Host", "nas.lan:4123")], False),
        (None, "http://studio.example", [("X-Forwarded-Host", "studio.example")], True),
        (None, "http://studio.example", [("X-Forwarded-Host", "studio.example, proxy.lan:8080")], True),
        (None, "http://evil.example", [("X-Forwarded-Host", "studio.example")], False),
        ("cross-site", "http://evil.example", [("X-Forwarded-Host", "evil.example")], False),
        (None, "http://evil.example", [("Origin", OWN)], False),  # two of them: both must be ours
        ("same-origin", None, [("Sec-Fetch-Site", "cross-site")], False),
    ],
)
async def test_what_changes_something(
    method: str, site: str | None, origin: str | None, more: list[tuple[str, str]], let_in: bool
) -> None:
    answer = await ask(method, *fetch(site, origin), *more, hosts=None)
    if let_in:
        assert answer.status_code == 200
    else:
        check_refused(answer, "foreign_origin")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_changes_nothing_is_answered_and_not_readable(method: str) -> None:
    """The browser keeps it from the page, since no header lets the page read it."""
    answer = await ask(method, *fetch("cross-site", "https://evil.example"))
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()


SITES = [None, "same-origin", "same-site", "cross-site", "none"]
NAMES = ["127.0.0.1:4123", "nas.lan", "nas.lan:4123", "evil.example", "app.example", "localhost:3000", "[::1]:1"]
ORIGINS = [None, "null", *(f"{scheme}://{name}" for scheme in ("http", "https") for name in NAMES)]


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from([*WRITES, "GET", "HEAD", "OPTIONS"]),
    site=st.sampled_from(SITES),
    origin=st.sampled_from(ORIGINS),
    host=st.sampled_from(NAMES),
    forwarded=st.sampled_from([None, *NAMES]),
    cors=st.sampled_from([(), ("*",), ("https://app.example",), LOOPBACK]),
)
async def test_any_combination_is_as_the_model_says(
    method: str, site: str | None, origin: str | None, host: str, forwarded: str | None, cors: Sequence[str]
) -> None:
    """The model: who is let in by CORS may; else the browser's own word counts; else the address must be the same."""

    def address(scheme: str, name: str) -> str:
        return name if ":" in name.removeprefix("[::1]") else f"{name}:{443 if scheme == 'https' else 80}"

    def let_in() -> bool:
        if method in ("GET", "HEAD", "OPTIONS"):
            return True
        loopback = origin is not None and any(part in origin for part in ("//127.0.0.1", "//localhost", "//[::1]"))
        if origin and ("*" in cors or origin in cors or (loopback and cors == LOOPBACK)):
            return True
        if site:
            return site in ("same-origin", "none")
        if origin in (None, "null"):
            return origin is None
        assert origin is not None
        scheme, _, name = origin.partition("://")
        return address(scheme, name) in [address(scheme, known) for known in (host, forwarded) if known]

    headers = [*fetch(site, origin), ("Host", host)]
    if forwarded:
        headers.append(("X-Forwarded-Host", forwarded))
    answer = await ask(method, *headers, cors=cors, hosts=None)
    assert answer.status_code == (200 if let_in() else 403)


LOOPBACK_NAMES = [
    *(
        "127.0.0.1",
        "127.0.0.1:4123",
        "127.0.0.1:",
        "127.9.8.7:1",
        "localhost",
        "LocalHost:4123",
        "localhost.",
        "localhost.:80",
    ),
    *("host.docker.internal:4123", "Host.Docker.Internal.", "gateway.docker.internal", "host.containers.internal:1"),
    *("app.localhost:4123", "[::1]", "[::1]:4123", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:1", "127.1:4123", "0x7f.1"),
]
FOREIGN_NAMES = [
    *("evil.example", "evil.example:4123", "EVIL.example.", "127.0.0.1.evil.example", "localhost.evil.example"),
    *("docker.internal", "evil.docker.internal", "host.docker.internal.evil.example", "host-docker.internal"),
    *("notlocalhost", "0.0.0.0:4123", "[::]:4123", "[fe80::1]", "192.168.1.5:4123", "128.0.0.1", "1.127.0.0.1"),
    *("", ":4123", "127.0.0.1:abc", "127.0.0.1@evil.example", "evil.example@127.0.0.1", "127.0.0.1, evil.example"),
    *(
        "127.0.0.1 evil.example",
        "127.0.0.1/evil",
        "[::1",
        "::1",
        "[localhost]evil",
        "127.0.0.1:4123:4123",
        "127。0。0。1",
    ),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("name", LOOPBACK_NAMES)
async def test_a_loopback_server_is_called_by_loopback_names(method: str, name: str) -> None:
    assert (await ask(method, ("Host", name))).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("name", FOREIGN_NAMES)
async def test_and_by_no_other(method: str, name: str) -> None:
    """What a page sends whose name was pointed at this machine: to the browser, it is of the same origin."""
    check_refused(await ask(method, ("Host", name), *fetch("same-origin", f"http://{name}")), "foreign_host")


@pytest.mark.parametrize("name", [*LOOPBACK_NAMES, *FOREIGN_NAMES])
async def test_on_a_network_any_name_will_do_unless_names_are_set(name: str) -> None:
    assert (await ask("GET", ("Host", name), hosts=None)).status_code == 200
    assert (await ask("GET", ("Host", name), hosts=("*",))).status_code == 200
    expected = 200 if name in LOOPBACK_NAMES else 403
    assert (await ask("GET", ("Host", name), hosts=("studio.example",))).status_code == expected


async def test_pages_of_a_containers_name_for_this_machine_are_not_its_own() -> None:
    """The name is one to call by; what speaks under it in a browser is still another origin."""
    page = fetch("cross-site", "http://host.docker.internal:3000")
    check_refused(await ask("POST", *page, ("Host", "host.docker.internal:4123")), "foreign_origin")


@pytest.mark.parametrize("name", ["studio.example", "Studio.Example.:8443", "studio.example:", "[fd00::1]:80"])
async def test_names_that_are_allowed(name: str) -> None:
    assert (await ask("POST", ("Host", name), hosts=("studio.example", "[fd00::1]"))).status_code == 200


@pytest.mark.parametrize("first", ["127.0.0.1", "evil.example"])
async def test_every_name_that_is_given_must_be_ours(first: str) -> None:
    second = "evil.example" if first == "127.0.0.1" else "127.0.0.1"
    check_refused(await ask("GET", ("Host", first), ("Host", second)), "foreign_host")


async def test_the_name_in_the_target_counts_and_the_path_is_found() -> None:
    check_refused(await ask("GET", target="http://evil.example/v1/voices"), "foreign_host")
    check_refused(await ask("GET", ("Host", "evil.example"), target="http://127.0.0.1/v1/voices"), "foreign_host")
    assert (await ask("GET", target="HTTP://127.0.0.1:4123/v1/voices")).status_code == 200


async def test_a_request_without_host_is_of_no_browser() -> None:
    guarded = AccessControl(Reached(), cors_origins=(), allowed_hosts=())
    scope: Any = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": []}
    statuses: list[int] = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    await guarded(scope, None, send)  # type: ignore[arg-type]
    assert statuses[0] == 200


def preflight(origin: str, asked: str = "content-type", **more: str) -> list[tuple[str, str]]:
    fields = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    return [*{**fields, **{name.replace("_", "-"): value for name, value in more.items()}}.items()]


@pytest.mark.parametrize("cors", [("*",), LOOPBACK, ("http://localhost:3000",)])
@pytest.mark.parametrize(
    "asked", ["x-requested-with", "cache-control, x-api-key", "X-Stainless-Arch,xi-api-key", "a" * 200, ""]
)
async def test_a_preflight_grants_whatever_headers_are_asked_for(cors: Sequence[str], asked: str) -> None:
    answer = await ask_preflight("http://localhost:3000", asked, cors=cors)
    assert answer.status_code == 204
    assert answer.headers.get("access-control-allow-headers", "") == asked
    assert answer.headers["access-control-allow-origin"] == ("*" if cors == ("*",) else "http://localhost:3000")
    assert {"POST", "PUT", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    varies = {name.strip().lower() for name in answer.headers.get_list("vary", split_commas=True)}
    assert {"access-control-request-headers", "access-control-request-method"} <= varies
    assert ("origin" in varies) == (cors != ("*",))
    assert "access-control-allow-private-network" not in answer.headers


async def ask_preflight(origin: str, asked: str = "", *, cors: Sequence[str] = LOOPBACK, **more: str) -> httpx.Response:
    app = Reached()
    guarded = AccessControl(app, cors_origins=cors, allowed_hosts=())
    transport = httpx.ASGITransport(guarded)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=OWN) as client:
        answer = await client.options("/v1/voices", headers=dict(preflight(origin, asked, **more)))
    assert not app.requests
    return answer


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", "localhost:3000"])
async def test_a_preflight_of_a_foreign_page_is_refused_in_our_words(origin: str) -> None:
    answer = await ask_preflight(origin)
    check_refused(answer, "foreign_origin")
    assert "CORS_ORIGINS" in answer.json()["error"]["message"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("asked", ["a" * 5000, "a b", "a,,b", "a: b", '"a"', ", "])
async def test_a_preflight_asks_for_names_of_headers(asked: str) -> None:
    check_refused(await ask_preflight("http://localhost:3000", asked), "invalid_preflight", 400)


async def test_a_page_that_is_let_in_may_reach_a_private_network() -> None:
    asked = {"Access_Control_Request_Private_Network": "true"}
    answer = await ask_preflight("http://localhost:3000", **asked)
    assert answer.headers["access-control-allow-private-network"] == "true"
    answer = await ask_preflight("https://evil.example", **asked)
    assert "access-control-allow-private-network" not in answer.headers


async def test_answers_say_who_may_read_them_errors_too() -> None:
    answer = await ask("GET", ("Origin", "http://localhost:3000"))
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert (await ask("GET", ("Origin", "http://a.example"), cors=("*",))).headers["access-control-allow-origin"] == "*"
    alone = await ask("GET")
    assert alone.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in alone.headers
