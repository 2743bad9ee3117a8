"""Forms as HTTP libraries, browsers and people write them: what is taken, in which names, and what an error says."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from support.form_app import send
from urllib3.filepost import encode_multipart_formdata

from chatterbox_api_testkit.sounds import sine, wav

in_the_library_s_loop = pytest.mark.asyncio(loop_scope="module")

CLIP = wav(sine(300, 1.5))
MULTIPART = "multipart/form-data; boundary=x"


def part(head: bytes, data: bytes) -> bytes:
    return b"--x\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


def file_part(disposition: bytes, data: bytes = CLIP) -> bytes:
    return part(b"Content-Disposition: form-data; " + disposition, data)


def text_part(name: bytes, data: bytes, charset: bytes = b"") -> bytes:
    head = b'Content-Disposition: form-data; name="%s"' % name
    return part(head + (b"\r\nContent-Type: text/plain; charset=%s" % charset if charset else b""), data)


async def file_of(disposition: bytes, *before: bytes) -> tuple[str, bytes]:
    status, answer = await send([b"".join(before) + file_part(disposition) + b"--x--\r\n"], MULTIPART)
    assert status == 200, answer
    name, data = answer["files"]["voice_file"]
    return name, data.encode("latin-1")


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b"name=\"voice_file\"; filename*=utf-8''M%C3%BCller.mp3", "Müller.mp3"),
        (b"name=\"voice_file\"; filename*=UTF-8'de'M%C3%BCller.mp3", "Müller.mp3"),
        (b"name=\"voice_file\"; filename*=iso-8859-1''M%FCller.mp3", "Müller.mp3"),
        (b"name=\"voice_file\"; filename*=latin-1''M%FCller.mp3", "Müller.mp3"),
        (b"name=\"voice_file\"; filename*=windows-1252''%80.mp3", "€.mp3"),
        (b"name=\"voice_file\"; filename*=shift_jis''%95%5C.mp3", "表.mp3"),
        (b'name="voice_file"; filename="a.mp3"; filename*=utf-8\'\'%C3%A4.mp3', "ä.mp3"),
        (b'name="voice_file"; filename="a.mp3"; filename*=punycode\'\'x', "a.mp3"),
        (b'name="voice_file"; filename="a.mp3"; filename*=utf-8\'\'%FF', "a.mp3"),
        (b"name=voice_file; filename=me.wav; filename*=utf-8''me.wav", "me.wav"),
        (b'name="voice_file"; filename="=?utf-8?B?TcO8bGxlci5tcDM=?="', "Müller.mp3"),
        (b'name="voice_file"; filename="=?zlib?B?TcO8?="', "=?zlib?B?TcO8?="),
        (b'name="voice_file"; filename="M\xfcller.mp3"', "Müller.mp3"),
        (b'name="voice_file"; filename="M\xc3\xbcller.mp3"', "Müller.mp3"),
        (b'name="voice_file"; filename="M%C3%BCller%20%22.mp3"', 'Müller ".mp3'),
        (b'name="voice_file"; filename="100%.mp3"', "100%.mp3"),
        (b'name="voice_file"; filename="a%22b.mp3"', 'a"b.mp3'),
        (b'name="voice_file"; filename="a\\"b.mp3"', 'a"b.mp3'),
        (b'name="voice_file"; filename="C:\\me\\a.mp3"', "C:\\me\\a.mp3"),
        (b'name="voice_file"; filename="a; name=input; b.mp3"', "a; name=input; b.mp3"),
        (b'filename="a.mp3"; name="voice_file"', "a.mp3"),
        (b'filename="\x95\x5c"; name="voice_file"', "\u2022\\"),
        (b"name=voice_file;filename=my recording.mp3", "my recording.mp3"),
        (b"NAME=voice_file ; FileName = a.mp3", "a.mp3"),
        (b'name="voice_file"; filename="a.mp3', "a.mp3"),
        (b'name="voice_file"', ""),
        (b"name*=utf-8''voice_file", ""),
        (b'name="voice_file"; filename=""', ""),
    ],
)
async def test_names_of_files(disposition: bytes, filename: str) -> None:
    assert await file_of(disposition) == (filename, CLIP)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        *(("shift_jis", "表示.mp3"), ("gbk", "你好.mp3"), ("euc-kr", "안녕.mp3"), ("big5", "功.mp3")),
        *(("windows-1251", "Привет.mp3"), ("utf-8", "表.mp3"), ("iso-8859-1", "Zoë.mp3")),
    ],
)
async def test_a_file_is_taken_whatever_its_name_is_written_in(charset: str, name: str) -> None:
    disposition = b'name="voice_file"; filename="' + name.encode(charset) + b'"'
    assert (await file_of(disposition))[1] == CLIP
    field = text_part(b"_charset_", charset.encode())
    assert await file_of(disposition, field) == (name, CLIP), "the form says in what it is written"


URLLIB3_1 = (
    b'--x\r\nContent-Disposition: form-data; name="voice_name"\r\n\r\nZo\xc3\xab\r\n'
    b"--x\r\nContent-Disposition: form-data; name=\"voice_file\"; filename*=utf-8''M%C3%BCller.wav\r\n\r\n"
    b"RIFF\x00\r\n--x--\r\n"
)
AIOHTTP = (
    b"--x\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b'Content-Disposition: form-data; name="voice_name"\r\n\r\nZo\xc3\xab\r\n'
    b"--x\r\nContent-Type: application/octet-stream\r\n"
    b'Content-Disposition: form-data; name="voice_file"; filename="M%C3%BCller.wav"\r\n\r\nRIFF\x00\r\n--x--\r\n'
)
CURL = (
    b'--x\r\nContent-Disposition: form-data; name="voice_name"\r\n\r\nZo\xc3\xab\r\n'
    b'--x\r\nContent-Disposition: form-data; name="voice_file"; filename="M\xc3\xbcller.wav"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\nRIFF\x00\r\n--x--\r\n"
)
UNDICI = CURL.replace(b"application/octet-stream", b"audio/wav")
DOTNET = (
    b"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=voice_name\r\n\r\n"
    b"Zo\xc3\xab\r\n--x\r\nContent-Disposition: form-data; name=voice_file; "
    b"filename=\"=?utf-8?B?TcO8bGxlci53YXY=?=\"; filename*=utf-8''M%C3%BCller.wav\r\n\r\nRIFF\x00\r\n--x--\r\n"
)
JAVA = (
    b'--x\r\nContent-Disposition: form-data; name="voice_name"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n'
    b"Content-Transfer-Encoding: 8bit\r\n\r\nZo\xeb\r\n"
    b'--x\r\nContent-Disposition: form-data; name="voice_file"; filename="M\xfcller.wav"\r\n'
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\nRIFF\x00\r\n--x--\r\n"
)
HTTP_CLIENT = (
    b"preamble\r\n--x\r\nContent-Disposition: form-data;\r\n name=voice_name\r\n\r\nZo\xc3\xab\r\n"
    b'--x\r\ncontent-disposition: FORM-DATA; name=voice_file; filename="M\xc3\xbcller.wav"\r\n\r\nRIFF\x00\r\n--x--'
)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (URLLIB3_1, MULTIPART),
        (AIOHTTP, MULTIPART),
        (CURL, MULTIPART),
        (UNDICI, MULTIPART),
        (DOTNET, 'multipart/form-data; boundary="x"'),
        (JAVA, "Multipart/Form-Data; charset=ISO-8859-1; Boundary=x"),
        (HTTP_CLIENT, "multipart/form-data ;boundary = x"),
    ],
    ids=["urllib3-1", "aiohttp", "curl", "undici", "dotnet", "java", "http.client"],
)
async def test_forms_of_libraries_byte_for_byte(body: bytes, content_type: str) -> None:
    expected = {"texts": {"voice_name": ["Zoë"]}, "files": {"voice_file": ["Müller.wav", "RIFF\0"]}}
    assert await send([body], content_type) == (200, expected)
    assert await send([body[at : at + 1] for at in range(len(body))], content_type) == (200, expected)


@in_the_library_s_loop
async def test_two_clients_show_the_files_name_as_it_was(library: httpx.AsyncClient) -> None:
    """By urllib3, whose forms are those of requests too, and by httpx; the name comes back with the recording."""
    fields: dict[str, Any] = {"voice_name": "Zoë", "voice_file": ('Mü"ller.wav', CLIP)}
    with urllib3.PoolManager() as pool:
        answer = await asyncio.to_thread(pool.request, "POST", f"{library.base_url}/v1/voices", fields=fields)
        assert answer.status == 201, answer.data
    file = {"voice_file": ("小明.wav", CLIP)}
    assert (await library.post("/voices", data={"voice_name": "小明"}, files=file)).status_code == 201
    for name, filename in (("Zoë", "M%C3%BC%22ller.wav"), ("小明", "%E5%B0%8F%E6%98%8E.wav")):
        download = await library.get(f"/voices/{name}/download")
        assert download.headers["content-disposition"].endswith(f"filename*=UTF-8''{filename}")
        assert download.content == CLIP


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"M\xfcller", b"windows-1252", "Müller"),
        (b"M\xfcller", b'"ISO-8859-1"', "Müller"),
        (b"\x8f\xac\x96\xbe", b"Shift_JIS", "小明"),
        (b"\xd0\xa1\xc3\xf7", b"gb2312", "小明"),
        ("Анна".encode("koi8-r"), b"KOI8-R", "Анна"),
        ("小明".encode(), b"", "小明"),
    ],
)
async def test_texts_in_the_charset_that_is_named(data: bytes, charset: bytes, text: str) -> None:
    status, answer = await send([text_part(b"voice_name", data, charset) + b"--x--\r\n"], MULTIPART)
    assert (status, answer["texts"]) == (200, {"voice_name": [text]})
    if charset:
        named = text_part(b"voice_name", data) + text_part(b"_charset_", charset.strip(b'"')) + b"--x--\r\n"
        status, answer = await send([named], MULTIPART)
        assert (status, answer["texts"]["voice_name"]) == (200, [text])
        encoded = b"voice_name=" + b"".join(b"%%%02x" % byte for byte in data)
        kind = f"application/x-www-form-urlencoded; charset={charset.decode()}"
        assert (await send([encoded], kind))[1]["texts"] == {"voice_name": [text]}


async def test_a_charset_field_that_is_empty_says_nothing() -> None:
    body = text_part(b"_charset_", b"") + text_part(b"voice_name", "Zoë".encode()) + b"--x--\r\n"
    assert (await send([body], MULTIPART))[1]["texts"]["voice_name"] == ["Zoë"]
    urlencoded = "_charset_=&größe=Zoë".encode()
    status, answer = await send([urlencoded], "application/x-www-form-urlencoded")
    assert (status, answer["texts"]["größe"]) == (200, ["Zoë"])


ENDED = b"--x--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "param", "words"),
    [
        (text_part(b"voice_name", b"M\xfcller") + ENDED, MULTIPART, 400, "voice_name", "is not UTF-8"),
        (text_part(b"language", b"\xff") + ENDED, MULTIPART, 400, "language", "charset=windows-1252"),
        (text_part(b"voice_name", b"x", b"utf-7") + ENDED, MULTIPART, 400, "voice_name", "'utf-7'"),
        (text_part(b"_charset_", b"utf-7") + ENDED, MULTIPART, 400, "_charset_", "'utf-7'"),
        (file_part(b'name="file"; filename="me.wav"') + ENDED, MULTIPART, 400, "file", "as 'voice_file'"),
        (file_part(b'name="voice_name"; filename="me.wav"') + ENDED, MULTIPART, 400, "voice_name", "must be text"),
        (file_part(b'filename="me.wav"') + ENDED, MULTIPART, 400, None, "as 'voice_file'"),
        (file_part(b'name="voice_file"', b"me.wav") + ENDED, MULTIPART, 400, "voice_file", "voice_file=@"),
        (file_part(b'name="voice_file"', "mü".encode() * 3000) + ENDED, MULTIPART, 400, "voice_file", "not text"),
        (b"voice_file=me.wav", "application/x-www-form-urlencoded", 400, "voice_file", "by -F"),
        (b"voice_name=M%FCller", "application/x-www-form-urlencoded", 400, "voice_name", "is not UTF-8"),
        (b"voice_name=M\xfcller", "application/x-www-form-urlencoded", 400, "voice_name", "is not UTF-8"),
        (b"a=b&_charset_=utf-7", "application/x-www-form-urlencoded", 400, "_charset_", "'utf-7'"),
        (CURL, "multipart/form-data", 400, None, "no boundary"),
        (CURL, "multipart/form-data; boundary=y", 400, None, "another boundary"),
        (b"", MULTIPART, 400, None, "no parts"),
        (CURL[:-10], MULTIPART, 400, None, "Part 2 of the form ('voice_file') is cut off"),
        (text_part(b"voice_name", b"x") + b"--x\r\nContent-", MULTIPART, 400, None, "behind part 1"),
        (part(b"X: y", b""), MULTIPART, 400, None, "Part 1 of the form is damaged: Missing Content-Disposition"),
        (CURL.replace(b"\r\n", b"\n"), MULTIPART, 400, None, "is damaged"),
        (
            part(b'Content-Disposition: form-data; name="voice_file"\r\nContent-Transfer-Encoding: base64', b"UklG"),
            *(MULTIPART, 400, "voice_file", "'base64'"),
        ),
        (file_part(b'name="voice_file"', bytes(200_001)) + ENDED, MULTIPART, 413, "voice_file", "200,000 bytes"),
        (text_part(b"a", b"x" * 1000) + text_part(b"b", b"y" * 1001), MULTIPART, 413, None, "2,000 bytes"),
        (text_part(b"a", b"x") * 11, MULTIPART, 413, None, "the 10 fields"),
        (b"&".join([b"a=b"] * 11), "application/x-www-form-urlencoded", 413, None, "the 10 fields"),
        (b"a=" + b"x" * 2000, "application/x-www-form-urlencoded", 413, None, "the 2,000 bytes"),
        (text_part(b"a" * 9000, b"x"), MULTIPART, 413, None, "8,192 bytes"),
        (CURL + bytes(300_000), MULTIPART, 413, None, "the 300,000 bytes"),
    ],
)
async def test_an_error_names_the_part_and_the_remedy(
    body: bytes, content_type: str, status: int, param: str | None, words: str
) -> None:
    answered, answer = await send([body], content_type)
    code = "request_too_large" if status == 413 else "invalid_multipart"
    error = answer["error"]
    assert (answered, error["code"], error["param"]) == (status, code, param), answer
    assert words in error["message"]
    assert error["message"].endswith(".")


@pytest.mark.parametrize("filler", [b"\x95\x5c", b'\\"', b"\xff", b";a=b", b"; ", b'"', b"%41", b"=?utf-8?B?", b"\\"])
async def test_a_long_header_is_read_at_once(filler: bytes) -> None:
    """Some patterns for quoted strings take years for a string without an end."""
    disposition = b'name="voice_file"; filename="' + filler * (8000 // len(filler))
    assert (await file_of(disposition))[1] == CLIP


@in_the_library_s_loop
async def test_the_route_names_its_own_file_field(library: httpx.AsyncClient) -> None:
    for address, field in (
        ("/audio/speech/upload", "voice_file"),
        ("/voices", "voice_file"),
        ("/audio/voices", "audio_sample"),
    ):
        answer = await library.post(address, data={"input": "Hi."}, files={"file": ("me.wav", CLIP)})
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, "file")
        assert error["message"] == f"'file' is not a file field of this form. Send the recording as '{field}'."


@in_the_library_s_loop
async def test_a_compressed_body_is_refused_by_its_header(library: httpx.AsyncClient) -> None:
    for address, kind in (("/v1/audio/speech", "application/json"), ("/v1/voices", MULTIPART)):
        headers = {"content-type": kind, "content-encoding": "gzip"}
        answer = await library.post(address, content=b"\x1f\x8b\x08", headers=headers)
        assert (answer.status_code, "Content-Encoding: gzip" in answer.text) == (415, True)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FILENAME = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='%"\\'), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.tuples(st.sampled_from(["voice_name", "language", "other"]), TEXT), max_size=4),
    filename=FILENAME,
    data=st.binary(min_size=1, max_size=60),
    at=st.integers(0, 4),
    size=st.integers(1, 40),
)
def test_any_form_of_a_library_comes_through(
    texts: list[tuple[str, str]], filename: str, data: bytes, at: int, size: int
) -> None:
    """Fields in any order, arriving in chunks of any size."""
    fields: list[Any] = [*texts]
    fields.insert(at, ("voice_file", (filename, data)))
    body, content_type = encode_multipart_formdata(fields)
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    status, answer = asyncio.run(send(chunks, content_type))
    assert status == 200, answer
    expected: dict[str, list[str]] = {}
    for name, text in texts:
        expected.setdefault(name, []).append(text)
    assert answer["texts"] == expected
    assert answer["files"] == {"voice_file": [filename, data.decode("latin-1")]}


@settings(max_examples=150, deadline=None)
@given(disposition=st.binary(max_size=60), body=st.binary(max_size=40))
def test_whatever_a_header_says_the_answer_is_an_answer(disposition: bytes, body: bytes) -> None:
    status, _ = asyncio.run(send([file_part(disposition, body) + ENDED], MULTIPART))
    assert status in (200, 400, 413)
