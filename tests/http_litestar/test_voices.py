"""The voice routes: what they answer, how voices are addressed, and that speech follows every change at once."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from support.in_process import cpu_monitor, serving, speech_service

from chatterbox_api_core.errors import NotFound
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer
from chatterbox_api_core.types import ClipLimits, ClipReport, Pcm, Voice, VoiceAudio, VoiceDraft
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import frequency_hz, middle, sine, wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIP = wav(sine(300, 1.5))
OTHER_CLIP = wav(sine(450, 1.25))
VOICE_FIELDS = {
    *("name", "filename", "original_filename", "file_extension", "file_size", "file_hash", "upload_date", "path"),
    *("language", "aliases", "id", "duration_s", "media_type", "updated_at", "revision", "consent"),
}


async def add(client: httpx.AsyncClient, name: str, clip: bytes = CLIP, **fields: Any) -> dict[str, Any]:
    answer = await client.post(
        "/voices", data={"voice_name": name, **fields}, files={"voice_file": (f"{name}.wav", clip)}
    )
    assert answer.status_code == 201, answer.text
    voice: dict[str, Any] = answer.json()["voice"]
    return voice


async def hum_hz(client: httpx.AsyncClient, voice: object) -> float:
    body = {"input": "Hello there.", "voice": voice, "response_format": "wav"}
    answer = await client.post("/v1/audio/speech", json=body)
    assert answer.status_code == 200, answer.text
    pcm: Pcm = InProcessClipReader().decode(answer.content, limits=ClipLimits(min_duration_s=0)).pcm
    return frequency_hz(middle(pcm))


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_a_voice_from_its_upload_to_its_removal(library: httpx.AsyncClient, prefix: str) -> None:
    voices = f"{prefix}/voices"
    answer = await library.post(
        voices,
        data={"voice_name": "Anna", "language": "de", "consent": "signed 2024-05-01", "aliases": "Anni, Änne"},
        files={"voice_file": ("../Anna's clip.bin", CLIP)},
    )
    assert answer.status_code == 201
    created = answer.json()
    voice = created["voice"]
    assert created["message"]
    report = created["report"]
    assert set(report) == {field.name for field in dataclasses.fields(ClipReport)} - {"sample_rate_hz"} | {"rate_hz"}
    assert (report["duration_s"], report["rate_hz"], report["channels"], report["media_type"]) == (
        *(1.5, 24000, 1),
        "audio/wav",
    )
    assert (report["peak_dbfs"], report["level_dbfs"], report["clipped"]) == (-6.0, -9.0, 0)
    assert any("1.5 s are too short to clone a voice well" in line for line in report["advice"])
    assert set(voice) >= VOICE_FIELDS
    assert (voice["name"], voice["language"], voice["consent"]) == ("Anna", "de", "signed 2024-05-01")
    assert (voice["filename"], voice["original_filename"]) == ("Anna.wav", "Anna's clip.bin")
    assert (voice["file_extension"], voice["media_type"], voice["path"]) == (".wav", "audio/wav", None)
    assert (voice["file_size"], voice["file_hash"]) == (len(CLIP), hashlib.sha256(CLIP).hexdigest())
    assert (voice["duration_s"], voice["revision"], sorted(voice["aliases"])) == (1.5, 1, ["Anni", "Änne"])
    assert datetime.fromisoformat(voice["upload_date"]).tzinfo is not None
    assert (await library.get(voices)).json() == {"voices": [voice], "count": 1}
    names = (await library.get(f"{voices}/all-names")).json()
    assert (sorted(names["voice_names"]), names["count"]) == (["Anna", "Anni", "default", "Änne"], 4)
    for asked in (voice["id"], "Anna", "ANNA", "anni", "änne", " Anna "):
        address = f"{voices}/{quote(asked)}"
        assert (await library.get(address)).json() == {"voice": voice}
        assert (await library.get(f"{address}/download")).content == CLIP
        listed = (await library.get(f"{address}/aliases")).json()
        assert listed == {"voice_name": "Anna", "aliases": voice["aliases"], "count": 2}
    renamed = await library.put(f"{voices}/anni", data={"new_name": "Berta"})
    assert renamed.status_code == 200
    assert (renamed.json()["old_name"], renamed.json()["new_name"]) == ("Anna", "Berta")
    removed = await library.delete(f"{voices}/Berta")
    assert (removed.status_code, removed.json()["voice_name"]) == (200, "Berta")
    assert removed.json()["message"]
    assert (await library.get(voices)).json() == {"voices": [], "count": 0}
    assert (await library.delete(f"{voices}/Berta")).status_code == 404


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_aliases_come_and_go(library: httpx.AsyncClient, prefix: str) -> None:
    await add(library, "Anna")
    address = f"{prefix}/voices/Anna/aliases"
    added = await library.post(address, data={"alias": " Nan "})
    assert added.status_code == 201
    assert added.json() | {"message": ""} == {"message": "", "voice_name": "Anna", "alias": "Nan", "aliases": ["Nan"]}
    assert (await library.post(address, json={"alias": "N/A"})).status_code == 400
    assert (await library.post(address, json={"alias": "a, b"})).json()["aliases"] == ["a, b", "Nan"]
    removed = await library.delete(f"{address}/NAN")
    assert removed.status_code == 200
    assert removed.json() | {"message": ""} == {
        "message": "",
        "voice_name": "Anna",
        "alias": "NAN",
        "aliases": ["a, b"],
    }
    gone = await library.delete(f"{address}/NAN")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "alias_not_found")
    assert (await library.get("/voices/Nan")).status_code == 404
    assert (await library.get(address)).json() == {"voice_name": "Anna", "aliases": ["a, b"], "count": 1}


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_the_default_voice(library: httpx.AsyncClient, prefix: str) -> None:
    voice = await add(library, "Anna", aliases="Nan")
    address = f"{prefix}/voices/default"
    none = {"default_voice": None, "source": "file_system", "path": None}
    assert (await library.get(address)).json() == none
    chosen = await library.post(address, data={"voice_name": "nan"})
    assert chosen.status_code == 200
    assert (chosen.json()["default_voice"], chosen.json()["voice_info"]) == ("Anna", voice)
    known = (await library.get(address)).json()
    assert known == {"default_voice": "Anna", "source": "voice_library", "voice_info": voice}
    assert await hum_hz(library, None) == pytest.approx(300, rel=0.01)
    cleared = await library.delete(address)
    assert cleared.status_code == 200
    assert cleared.json() | {"message": ""} == {"message": "", **none}
    assert (await library.get(address)).json() == none
    assert (await library.post(address, json={"voice_name": voice["id"]})).status_code == 200
    await library.delete("/voices/Anna")
    assert (await library.get(address)).json() == none


async def test_aliases_of_a_new_voice_may_be_repeated_fields(library: httpx.AsyncClient) -> None:
    voice = await add(library, "Anna", aliases=["one, two", "three", " ,"])
    assert sorted(voice["aliases"]) == ["one", "three", "two"]


async def test_pages_of_the_list(library: httpx.AsyncClient) -> None:
    voices = [await add(library, f"v{number}") for number in range(5)]
    ids = [voice["id"] for voice in voices]

    async def listed(address: str, **query: Any) -> list[str]:
        found = (await library.get(address, params=query)).json()
        return [voice["id"] for voice in found["voices"]]

    for address in ("/voices", "/v1/voices"):
        assert await listed(address) == ids
        assert await listed(address, limit=2) == ids[:2]
        assert await listed(address, limit=2, after=ids[1]) == ids[2:4]
        assert await listed(address, after=ids[2]) == ids[3:]
        assert await listed(address, after="V0", limit="1000") == ids[1:]
        assert await listed(address, limit="", after="") == ids
        assert await listed(address, after=ids[4]) == []


async def test_more_than_a_page_of_voices_is_listed_whole() -> None:
    store = MemoryStore()
    for number in range(1002):
        await store.add(VoiceDraft(f"v{number}"), VoiceAudio(b"x", "0" * 64, 1.5))
    async with serving(speech_service(ToneSynthesizer()), store=store) as url, httpx.AsyncClient() as client:
        listed = (await client.get(f"{url}/voices")).json()
        assert listed["count"] == len({voice["name"] for voice in listed["voices"]}) == 1002
        after = {"after": listed["voices"][0]["id"]}
        assert (await client.get(f"{url}/voices", params=after)).json()["count"] == 1001
        assert (await client.get(f"{url}/voices/all-names")).json()["count"] == 1 + 1002


@pytest.mark.parametrize(
    "name",
    [
        "😀 smile",
        "עברית שלום",
        "العربية",
        "two  words",
        "a+b",
        "100%",
        "50% &more=1;x#y",
        "日本語",
        "e\u0301",
        "o'neil",
    ],
)
async def test_odd_names_survive_the_address(library: httpx.AsyncClient, name: str) -> None:
    voice = await add(library, name, aliases=f"{name} too")
    assert voice["name"] == name
    address = f"/voices/{quote(name, safe='')}"
    assert (await library.get(address)).json()["voice"]["id"] == voice["id"]
    assert (await library.get(f"/v1/audio{address}")).json()["id"] == voice["id"]
    download = await library.get(f"{address}/download")
    assert download.content == CLIP
    assert unquote(download.headers["content-disposition"].partition("UTF-8''")[2]) == f"{name}.wav"
    assert await hum_hz(library, name) == pytest.approx(300, rel=0.01)
    alias = quote(f"{name} too", safe="")
    assert (await library.delete(f"{address}/aliases/{alias}")).json()["aliases"] == []
    assert (await library.put(address, data={"new_name": f"{name}!"})).json()["new_name"] == f"{name}!"
    assert (await library.delete(f"/voices/{quote(name + '!', safe='')}")).json()["voice_name"] == f"{name}!"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('a"; filename="b.exe', 'a"; filename="b.exe'),
        ("C:\\secret\\Grüße 😀.wav", "Grüße 😀.wav"),
        ("../../etc/passwd", "passwd"),
        ("x\u202egpj.exe", "xgpj.exe"),
    ],
)
async def test_a_download_is_named_as_it_was_and_harms_no_header(
    library: httpx.AsyncClient, sent: str, kept: str
) -> None:
    files = {"voice_file": (sent, CLIP, "text/html")}
    created = await library.post("/voices", data={"voice_name": "Anna"}, files=files)
    assert created.json()["voice"]["original_filename"] == kept
    download = await library.get("/v1/voices/Anna/download")
    assert download.headers["content-type"] == "audio/wav"
    assert download.headers["x-content-type-options"] == "nosniff"
    disposition = download.headers["content-disposition"]
    plain, _, extended = disposition.partition("; filename*=UTF-8''")
    assert unquote(extended) == kept
    assert plain.startswith('attachment; filename="')
    assert plain.count('"') == 2
    assert disposition.isascii()
    head = await library.head("/v1/voices/Anna/download")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_new_voice_speaks_by_name_alias_and_id(library: httpx.AsyncClient) -> None:
    voice = await add(library, "Anna", aliases="Nan")
    for asked in ("Anna", "ａｎｎａ", "nan", voice["id"], {"id": voice["id"]}, {"id": "NAN"}):
        answer = await library.post("/v1/audio/speech", json={"input": "Hello.", "voice": asked})
        assert (answer.status_code, answer.headers["x-voice-id"]) == (200, voice["id"])
        assert await hum_hz(library, asked) == pytest.approx(300, rel=0.01)


async def test_changes_are_heard_at_once(library: httpx.AsyncClient) -> None:
    voice = await add(library, "Anna", language="de", consent="yes")
    assert await hum_hz(library, "Anna") == pytest.approx(300, rel=0.01)
    replaced = await library.put("/voices/Anna", files={"voice_file": ("new.wav", OTHER_CLIP)})
    assert replaced.status_code == 200, replaced.text
    assert replaced.json()["voice"]["file_hash"] == hashlib.sha256(OTHER_CLIP).hexdigest()
    assert replaced.json()["voice"]["consent"] == "yes", "what is left out stays"
    assert replaced.json()["report"]["duration_s"] == 1.25
    assert any("1.2 s are too short" in line for line in replaced.json()["report"]["advice"])
    assert await hum_hz(library, "Anna") == pytest.approx(450, rel=0.01)
    assert (await library.get("/voices/Anna/download")).content == OTHER_CLIP
    renamed = await library.put("/voices/Anna", json={"new_name": "Berta"})
    assert renamed.status_code == 200
    assert "report" not in renamed.json(), "there is no new clip to speak of"
    assert (await library.post("/v1/audio/speech", json={"input": "Hi.", "voice": "Anna"})).status_code == 404
    assert await hum_hz(library, "Berta") == pytest.approx(450, rel=0.01)
    await library.delete(f"/voices/{voice['id']}")
    for asked in ("Berta", voice["id"]):
        answer = await library.post("/v1/audio/speech", json={"input": "Hi.", "voice": asked})
        assert answer.json()["error"]["code"] == "voice_not_found"
    again = await add(library, "Berta")
    assert again["id"] != voice["id"]


async def test_everything_about_a_voice_can_change_in_one_request(library: httpx.AsyncClient) -> None:
    await add(library, "Anna", language="de", consent="yes")
    answer = await library.put(
        "/v1/voices/Anna",
        data={"new_name": "anna", "language": "fr", "consent": ""},
        files={"voice_file": ("new.wav", OTHER_CLIP)},
    )
    voice = answer.json()["voice"]
    assert (voice["name"], voice["language"], voice["consent"], voice["duration_s"]) == ("anna", "fr", None, 1.25)
    consenting = await library.put("/v1/voices/anna", json={"consent": "again"})
    assert (consenting.json()["voice"]["language"], consenting.json()["voice"]["consent"]) == ("fr", "again")
    cleared = await library.put("/v1/voices/anna", json={"language": None})
    assert (cleared.json()["voice"]["language"], cleared.json()["voice"]["consent"]) == (None, "again")
    assert (cleared.json()["old_name"], cleared.json()["new_name"]) == ("anna", "anna")


async def test_of_many_who_want_one_name_one_gets_it(library: httpx.AsyncClient) -> None:
    def ask(number: int) -> Awaitable[httpx.Response]:
        name = "Anna" if number % 2 else "ＡＮＮＡ"
        clip = CLIP if number % 2 else OTHER_CLIP
        return library.post("/voices", data={"voice_name": name}, files={"voice_file": ("a.wav", clip)})

    answers = await asyncio.gather(*(ask(number) for number in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    winner = next(answer.json()["voice"] for answer in answers if answer.status_code == 201)
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["error"]["code"] == "name_taken"
    assert refused.headers["x-should-retry"] == "false"
    assert (await library.get("/voices")).json()["voices"] == [winner]
    data = (await library.get("/voices/Anna/download")).content
    assert hashlib.sha256(data).hexdigest() == winner["file_hash"]


async def test_a_download_of_a_voice_that_is_just_replaced_is_whole() -> None:
    class ReplacedMeanwhile(MemoryStore):
        on_audio: Callable[[], Awaitable[object]] | None = None

        async def read_clip(self, voice: Voice) -> bytes:
            if (meanwhile := self.on_audio) is not None:
                self.on_audio = None
                await meanwhile()
                raise NotFound("It has been replaced.", field="voice")
            return await super().read_clip(voice)

    store = ReplacedMeanwhile()
    async with serving(speech_service(ToneSynthesizer()), store=store) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            await add(client, "Anna")
    async with serving(speech_service(ToneSynthesizer()), store=store) as url:  # another, with no clip in memory
        async with httpx.AsyncClient(base_url=url) as client:
            files = {"voice_file": ("b.wav", OTHER_CLIP)}
            store.on_audio = lambda: client.put("/voices/Anna", files=files)
            answer = await client.get("/voices/Anna/download")
            assert (answer.status_code, answer.content) == (200, OTHER_CLIP)


async def test_a_clip_of_exactly_10_mib_is_taken_and_the_loop_goes_on() -> None:
    store = MemoryStore()
    clip = large_wav(10 * 2**20)
    async with serving(speech_service(ToneSynthesizer()), store=store) as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            with cpu_monitor() as monitor:
                voice = await add(client, "Anna", clip)
                assert voice["file_size"] == 10 * 2**20
                assert (await client.get("/voices/Anna/download")).content == clip
            assert monitor.longest_s < 0.1, monitor.culprits
            for address, field, name in (
                ("/voices", "voice_file", "voice_name"),
                ("/audio/voices", "audio_sample", "name"),
            ):
                for size in (10 * 2**20 + 2, 12 * 2**20):
                    answer = await client.post(address, data={name: "b"}, files={field: ("a.wav", large_wav(size))})
                    error = answer.json()["error"]
                    assert (answer.status_code, error["code"]) == (413, "request_too_large")
            assert (await client.get("/voices")).json()["count"] == 1


def large_wav(size_bytes: int) -> bytes:
    """A tone in a WAV file of exactly this size."""
    second = wav(sine(400, 1, sample_rate_hz=24_000))
    sound = (second[44:] * (size_bytes // len(second[44:]) + 1))[: size_bytes - 44]
    sizes = (size_bytes - 8).to_bytes(4, "little"), len(sound).to_bytes(4, "little")
    return second[:4] + sizes[0] + second[8:40] + sizes[1] + sound
