"""What the voice routes refuse, each with the field as the client called it; and nothing is kept of it."""

from __future__ import annotations

import urllib.parse
from typing import Any

import httpx
import pytest

from chatterbox_api_testkit.sounds import sine, wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIP = wav(sine(300, 1.5))
BAD_NAMES = [
    *("", " \u200b", "a/b", "..\\x", "C:x", "a*", "a?", '"', "<b>", "a|b", "a\0b", "a\nb", "a%2fb", "%00"),
    *("default", "ALL-NAMES", "voice_anna", "v" * 101, "ﷺ" * 5000, "\u202e"),
]


def check_error(answer: httpx.Response, status: int, code: str, param: str | None) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"].endswith(".")
    assert "Traceback" not in answer.text
    assert answer.headers["x-should-retry"] == "false"


async def add(client: httpx.AsyncClient, name: str, **fields: Any) -> httpx.Response:
    return await client.post("/voices", data={"voice_name": name, **fields}, files={"voice_file": ("a.wav", CLIP)})


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_names_that_cannot_be(library: httpx.AsyncClient, name: str) -> None:
    await add(library, "Anna")
    check_error(await add(library, name), 400, "invalid_name", "voice_name")
    if name.strip(" \u200b"):
        check_error(await add(library, "Berta", aliases=name), 400, "invalid_name", "aliases")
    sample = {"audio_sample": ("a.wav", CLIP)}
    check_error(await library.post("/v1/audio/voices", data={"name": name}, files=sample), 400, "invalid_name", "name")
    for send in ("data", "json"):
        check_error(await library.put("/voices/Anna", **{send: {"new_name": name}}), 400, "invalid_name", "new_name")  # type: ignore[arg-type]
        check_error(await library.post("/voices/Anna/aliases", **{send: {"alias": name}}), 400, "invalid_name", "alias")  # type: ignore[arg-type]
    assert (await library.get("/voices/all-names")).json()["voice_names"] == ["default", "Anna"]


@pytest.mark.parametrize("twin", ["Anna", "ANNA", "Ａｎｎａ", "An\u200bna", " anna "])
async def test_names_that_are_taken(library: httpx.AsyncClient, twin: str) -> None:
    await add(library, "Anna")
    await add(library, "Berta", aliases="Bee")
    check_error(await add(library, twin), 409, "name_taken", "voice_name")
    sample = {"audio_sample": ("a.wav", CLIP)}
    check_error(await library.post("/audio/voices", data={"name": twin}, files=sample), 409, "name_taken", "name")
    clip = {"voice_file": ("b.wav", wav(sine(500, 1.5)))}
    check_error(
        await library.put("/voices/bee", data={"new_name": twin, "language": "fr"}, files=clip),
        *(409, "name_taken", "new_name"),
    )
    assert (await library.get("/voices/Berta")).json()["voice"]["revision"] == 1, "nothing of it has been done"
    check_error(await library.post("/voices/Berta/aliases", data={"alias": twin}), 409, "name_taken", "alias")


UNKNOWN = ["nobody", "voice_" + "0" * 26, "DEFAULT", "😀", "download"]
IMPOSSIBLE = ["%00", "%25%30%30", "a%5Cb", "C%3A", "%20", "%E2%80%8B", "v" * 101, "%EF%B7%BA" * 500, "..%5C..%5Cx"]


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(
    ("method", "address"),
    [
        *(
            ("GET", "/voices/{}"),
            ("DELETE", "/voices/{}"),
            ("GET", "/voices/{}/download"),
            ("GET", "/voices/{}/aliases"),
        ),
        *(("DELETE", "/voices/{}/aliases/x"), ("GET", "/audio/voices/{}"), ("DELETE", "/audio/voices/{}")),
        *(("PUT", "/voices/{}"), ("POST", "/voices/{}/aliases")),
    ],
)
async def test_voices_that_are_not_there(library: httpx.AsyncClient, prefix: str, method: str, address: str) -> None:
    body = {"json": {"new_name": "New", "alias": "new"}} if method in ("PUT", "POST") else {}
    listed_always = (method, address) == ("GET", "/audio/voices/{}")  # `default` is, and is found by its id
    for name in UNKNOWN if not listed_always else set(UNKNOWN) - {"DEFAULT"}:
        url = f"{prefix}{address.format(urllib.parse.quote(name))}"
        check_error(await library.request(method, url, **body), 404, "voice_not_found", "voice")  # type: ignore[arg-type]
    for name in IMPOSSIBLE:
        url = f"{prefix}{address.format(name)}"
        check_error(await library.request(method, url, **body), 400, "invalid_voice", "voice")  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["..%2f..%2fetc%2fpasswd", "a%2fb", "%ff", "%c0%ae", "a/../../b", "%2e%2e%2fx"])
async def test_addresses_that_lead_nowhere(library: httpx.AsyncClient, path: str) -> None:
    await add(library, "Anna")
    for suffix in ("", "/download", "/aliases"):
        answer = await library.get(f"/voices/{path}{suffix}")
        assert answer.status_code in (400, 404)
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_default_that_cannot_be(library: httpx.AsyncClient) -> None:
    check_error(
        await library.post("/voices/default", data={"voice_name": "nobody"}), 404, "voice_not_found", "voice_name"
    )
    check_error(await library.post("/voices/default", data={"voice_name": "a/b"}), 400, "invalid_voice", "voice_name")
    check_error(await library.post("/voices/default", data={"x": "y"}), 400, "invalid_voice", "voice_name")
    check_error(await library.post("/voices/default", json={}), 400, "invalid_voice", "voice_name")


async def test_fields_that_are_missing(library: httpx.AsyncClient) -> None:
    await add(library, "Anna")
    clip, sample = {"voice_file": ("a.wav", CLIP)}, {"audio_sample": ("a.wav", CLIP)}
    check_error(await library.post("/voices", files=clip), 400, "invalid_name", "voice_name")
    check_error(await library.post("/voices", data={"voice_name": "B"}), 400, "invalid_multipart", "voice_file")
    check_error(await library.post("/audio/voices", files=sample), 400, "invalid_name", "name")
    check_error(await library.post("/audio/voices", data={"name": "B"}), 400, "invalid_multipart", "audio_sample")
    check_error(await library.put("/voices/Anna", json={}), 400, "invalid_name", "new_name")
    check_error(await library.put("/voices/Anna", data={"x": "y"}), 400, "invalid_name", "new_name")
    check_error(await library.post("/voices/Anna/aliases", json={"alias": None}), 400, "invalid_name", "alias")
    check_error(await library.put("/voices/Anna", json={"new_name": 3}), 400, "invalid_type", "new_name")
    left_empty = {"voice_name": (None, "B"), "voice_file": ("", "")}
    check_error(await library.post("/voices", files=left_empty), 400, "invalid_multipart", "voice_file")
    text = {"voice_name": (None, "B"), "voice_file": (None, "no file")}
    check_error(await library.post("/voices", files=text), 400, "invalid_multipart", "voice_file")
    check_error(await library.post("/voices", json={"voice_name": "B"}), 415, "unsupported_media_type", None)
    check_error(await library.put("/voices/Anna", content=b"x"), 415, "unsupported_media_type", None)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "invalid_audio"),
        (b"%PDF-1.7 nothing to hear", "invalid_audio"),
        (CLIP[:44], "invalid_audio"),
        (wav(sine(440, 0.5)), "audio_too_short"),
        (wav(sine(440, 310, sample_rate_hz=4000)), "audio_too_long"),
    ],
    ids=["empty", "pdf", "header-only", "short", "long"],
)
async def test_clips_that_cannot_serve(library: httpx.AsyncClient, data: bytes, code: str) -> None:
    file = ("a.wav", data)
    answer = await library.post("/voices", data={"voice_name": "Anna"}, files={"voice_file": file})
    check_error(answer, 400, code, "voice_file")
    answer = await library.post("/v1/audio/voices", data={"name": "Anna"}, files={"audio_sample": file})
    check_error(answer, 400, code, "audio_sample")
    await add(library, "Anna")
    check_error(await library.put("/voices/Anna", files={"voice_file": file}), 400, code, "voice_file")
    assert (await library.get("/voices/Anna/download")).content == CLIP


async def test_other_values_that_cannot_be(library: httpx.AsyncClient) -> None:
    check_error(await add(library, "Anna", language="not a tag"), 400, "invalid_language", "language")
    check_error(await add(library, "Anna", consent="c" * 4001), 400, "invalid_consent", "consent")
    many = ",".join(f"a{number}" for number in range(21))
    check_error(await add(library, "Anna", aliases=many), 400, "too_many_aliases", "aliases")
    assert (await library.get("/voices")).json()["count"] == 0
    for limit in ("0", "1001", "-1", "x", "1.5", "١", "9" * 30):
        for address in ("/voices", "/v1/audio/voices"):
            check_error(await library.get(address, params={"limit": limit}), 400, "invalid_limit", "limit")
    check_error(await library.get("/voices", params={"after": "nobody"}), 404, "voice_not_found", "after")
    check_error(await library.get("/voices", params={"after": "a/b"}), 400, "invalid_voice", "after")


async def test_bodies_beyond_their_bounds(library: httpx.AsyncClient) -> None:
    await add(library, "Anna")
    long = "x" * 2**20
    for sent in (
        {"json": {"new_name": long}},
        {"data": {"new_name": long}},
        {"data": {f"f{n}": "" for n in range(101)}},
    ):
        check_error(await library.put("/voices/Anna", **sent), 413, "request_too_large", None)  # type: ignore[arg-type]
    bad_utf8 = {"content": b"new_name=%ff", "headers": {"content-type": "application/x-www-form-urlencoded"}}
    check_error(await library.put("/voices/Anna", **bad_utf8), 400, "invalid_multipart", "new_name")  # type: ignore[arg-type]


async def test_reserved_words_take_only_their_own_methods(library: httpx.AsyncClient) -> None:
    for method, address in (("PUT", "/voices/default"), ("DELETE", "/voices/all-names"), ("POST", "/voices/Anna")):
        answer = await library.request(method, address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"]
