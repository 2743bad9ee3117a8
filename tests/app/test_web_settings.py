"""Origins and names in settings: put right where the meaning is certain, and refused where no browser would match."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.service import free_port, run_cli, running_service

from chatterbox_api import settings
from chatterbox_api.web_settings import LOOPBACK_ORIGINS, host_names, web_origins
from chatterbox_api_core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://app.example", ["https://app.example"]),
        ("https://app.example/", ["https://app.example"]),
        ("HTTPS://App.Example:443/", ["https://app.example"]),
        ("http://app.example:80", ["http://app.example"]),
        ("http://app.example:", ["http://app.example"]),
        ("http://app.example:443, https://app.example:80", ["http://app.example:443", "https://app.example:80"]),
        ("http://localhost:3000/", ["http://localhost:3000"]),
        ("http://localhost:03000", ["http://localhost:3000"]),
        ("http://localhost:*", ["http://localhost:*"]),
        ("http://[0:0:0:0:0:0:0:1]:3000", ["http://[::1]:3000"]),
        ("http://192.168.1.5:8080", ["http://192.168.1.5:8080"]),
        ("chrome-extension://abcdefgh, tauri://localhost", ["chrome-extension://abcdefgh", "tauri://localhost"]),
        ("https://xn--bcher-kva.example", ["https://xn--bcher-kva.example"]),
        ("file://", ["file://"]),
        ("FILE:///, https://app.example", ["file://", "https://app.example"]),
        ("*", ["*"]),
        ("none", []),
        ("loopback", [*LOOPBACK_ORIGINS]),
        ("Loopback, https://app.example, https://app.example/", [*LOOPBACK_ORIGINS, "https://app.example"]),
    ],
)
def test_origins_become_what_browsers_send(text: str, origins: list[str]) -> None:
    assert list(web_origins(text)) == origins
    assert list(web_origins(",".join(origins) or "none")) == origins


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *(
            (text, "http:// or https://")
            for text in ("localhost:3000", "app.example", "//app.example", "null", "https:/a", "yes")
        ),
        *(
            (f"https://{text}", "goes on after")
            for text in ("app.example/studio", "app.example?a", "app.example/#", "a/*")
        ),
        *(
            (f"https://{text}", "no name")
            for text in ("*.app.example", "app.*", "a*b.example", "*", "", "bücher.example")
        ),
        *((f"https://{text}", "no name") for text in ("[::1", "[app.example]", "-a.example", "a..b", ":3000")),
        *((f"http://localhost:{port}", "no port") for port in ("70000", "abc", "30*", "0", "-1", "3000:3000")),
        *(("https://a.example https://b.example", "goes on"), ("https://user@app.example", "goes on")),
        *((f"{scheme}://app.example", "no page") for scheme in ("ws", "wss", "file")),
        ("none, https://app.example", "stands alone"),
    ],
)
def test_what_no_browser_would_send_stops_the_start(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings.CORS_ORIGINS.read({"CORS_ORIGINS": text})
    assert caught.value.field == "CORS_ORIGINS"
    assert reason in str(caught.value)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


@given(
    scheme=st.sampled_from(["http", "https"]),
    labels=st.lists(LABEL, min_size=1, max_size=4),
    port=st.none() | st.integers(1, 65535),
    slash=st.booleans(),
    upper=st.booleans(),
)
def test_any_way_to_write_an_origin_means_the_same(
    scheme: str, labels: list[str], port: int | None, slash: bool, upper: bool
) -> None:
    origin = f"{scheme}://{'.'.join(labels)}{'' if port is None else f':{port}'}"
    written = f" {origin.upper() if upper else origin}{'/' if slash else ''} "
    default = {"http": 80, "https": 443}[scheme]
    assert web_origins(written) == (origin.removesuffix(f":{port}") if port == default else origin,)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("studio.example", ["studio.example"]),
        ("Studio.Example:8443, nas.lan", ["studio.example", "nas.lan"]),
        ("https://studio.example/", ["studio.example"]),
        ("192.168.1.5, [FD00::0:1]:80, fd00::2", ["192.168.1.5", "[fd00::1]", "[fd00::2]"]),
        ("my_service", ["my_service"]),
        ("*", ["*"]),
    ],
)
def test_names_of_the_server(text: str, names: list[str]) -> None:
    assert list(host_names(text)) == names


@pytest.mark.parametrize(
    "text", ["*.studio.example", "studio.example/path", "a b", "http://", "bücher.example", "user@host"]
)
def test_what_is_no_name_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings.ALLOWED_HOSTS.read({"ALLOWED_HOSTS": text})
    assert caught.value.field == "ALLOWED_HOSTS"


def test_the_running_service_keeps_to_them(tmp_path: Path) -> None:
    with running_service(tmp_path, SYNTHESIZER="tone", CORS_ORIGINS="https://App.Example/, file://") as service:
        with httpx.Client(base_url=service.url) as client:

            def status(method: str, **headers: str) -> int:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                return client.request(method, "/v1/voices/default", headers=named).status_code

            assert status("DELETE") == 200
            assert status("DELETE", Origin="https://app.example", Sec_Fetch_Site="cross-site") == 200
            assert status("DELETE", Origin="file://", Sec_Fetch_Site="cross-site") == 200
            assert status("DELETE", Origin="null", Sec_Fetch_Site="cross-site") == 403
            assert status("DELETE", Origin="http://localhost:3000", Sec_Fetch_Site="same-site") == 403
            assert status("GET", Host="evil.example") == 403
            assert status("GET", Host="localhost:1") == 200
            assert status("OPTIONS", Origin="https://app.example", Access_Control_Request_Method="POST") == 204
            refused = client.post(
                "/v1/voices",
                data={"voice_name": "x"},
                files={"voice_file": b"a" * 5_000_000},
                headers={"Origin": "http://evil.example"},
            )
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")


def test_a_name_behind_a_proxy_and_the_name_that_it_listens_on(tmp_path: Path) -> None:
    with running_service(tmp_path, SYNTHESIZER="tone", HOST="0.0.0.0", ALLOWED_HOSTS="Studio.Example") as service:
        for name, status in (("studio.example:8443", 200), ("127.0.0.1", 200), ("0.0.0.0:80", 200), ("a.example", 403)):
            assert httpx.get(f"{service.url}/health", headers={"Host": name}).status_code == status


def test_a_wrong_origin_stops_the_start_and_says_what_to_change(tmp_path: Path) -> None:
    done = run_cli("serve", cwd=tmp_path, PORT=str(free_port()), CORS_ORIGINS="localhost:3000")
    assert done.returncode == 3
    for word in ("CORS_ORIGINS", "localhost:3000", "http://"):
        assert word in done.stderr
