"""What clients ask before they speak."""

from __future__ import annotations

import hashlib

import httpx
from support.in_process import serving, speech_service

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer
from chatterbox_api_core.types import VoiceAudio, VoiceDraft
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_testkit.sounds import sine, wav

CLIP = wav(sine(250, 1.5))


class AwayStore(MemoryStore):
    async def ready(self) -> None:
        raise Unavailable("The bucket does not answer.", code="store_unavailable")


async def test_models_voices_languages_and_health_with_and_without_v1() -> None:
    store = MemoryStore()
    voice = await store.add(VoiceDraft("Änne 😀"), VoiceAudio(CLIP, hashlib.sha256(CLIP).hexdigest(), 1.5))
    service = speech_service(ToneSynthesizer(), store=store)
    async with serving(service, store=store) as url, httpx.AsyncClient(base_url=url) as client:
        for prefix in ("", "/v1"):
            models = (await client.get(f"{prefix}/models")).json()
            assert models["object"] == "list"
            assert {"id", "object", "created", "owned_by", "parameters"} == set(models["data"][0])
            assert {"test", "tts-1", "chatterbox-tts-1"} <= {model["id"] for model in models["data"]}
            assert (await client.get(f"{prefix}/models/tts-1")).json()["id"] == "tts-1"
            assert (await client.get(f"{prefix}/audio/models")).json()["models"][0]["id"] == "test"
            voices = (await client.get(f"{prefix}/audio/voices")).json()["voices"]
            assert [(known["id"], known["name"]) for known in voices] == [("default", "Default"), (voice.id, "Änne 😀")]
            languages = (await client.get(f"{prefix}/languages")).json()
            assert languages["languages"] == [{"code": "en", "name": "English"}]
            health = (await client.get(f"{prefix}/health")).json()
            formats = [each.name for each in PyavEncoder.formats]
            assert (health["status"], health["engine"], health["formats"]) == ("healthy", "test", formats)
            assert (await client.get(f"{prefix}/ready")).status_code == 200
            assert (await client.get(f"{prefix}/ping")).json()["status"] == "ok"
        assert (await client.get("/v1/readyz")).status_code == 404, "one client takes it for another product"
        answer = await client.post("/v1/audio/speech", json={"input": "Hi.", "voice": "äNNE 😀"})
        assert answer.headers["x-voice-id"] == voice.id
        assert answer.headers["x-voice-name"] == "%C3%84nne %F0%9F%98%80"
        assert answer.headers["x-voice-source"] == "library"


async def test_not_ready_says_why() -> None:
    service = speech_service(ToneSynthesizer())
    async with serving(service, store=AwayStore()) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "store_unavailable"
        assert "retry-after" in answer.headers
        assert (await client.get("/health")).status_code == 200


async def test_a_library_of_more_than_a_page_is_listed_whole() -> None:
    store = MemoryStore()
    for number in range(1001):
        await store.add(VoiceDraft(f"v{number}"), VoiceAudio(b"x", "0" * 64, 1.5))
    async with serving(speech_service(ToneSynthesizer()), store=store) as url, httpx.AsyncClient() as client:
        assert len((await client.get(f"{url}/v1/audio/voices")).json()["voices"]) == 1 + 1001
