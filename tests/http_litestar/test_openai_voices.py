"""OpenAI's custom voices, by its own client and by hand."""

from __future__ import annotations

import time

import httpx
import openai
import pytest

from chatterbox_api_testkit.sounds import sine, wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIP = wav(sine(300, 1.5))


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_a_custom_voice_from_its_creation_to_its_removal(library: httpx.AsyncClient, prefix: str) -> None:
    voices = f"{prefix}/audio/voices"
    data = {"name": "Anna", "consent": "cons_1234", "type": "audio_sample"}
    created = await library.post(voices, data=data, files={"audio_sample": ("anna.wav", CLIP, "audio/wav")})
    assert created.status_code == 200, created.text
    voice = created.json()
    assert (voice["name"], voice["object"], voice["type"]) == ("Anna", "audio.voice", "audio_sample")
    assert voice["created_at"] == pytest.approx(time.time(), abs=5)
    assert isinstance(voice["created_at"], int)
    assert (await library.get(voices)).json()["voices"][1:] == [voice]
    for asked in (voice["id"], "ANNA"):
        assert (await library.get(f"{voices}/{asked}")).json() == voice
    assert "cons_1234" not in (await library.get(voices)).text, "clients list these without a key"
    assert (await library.get(f"{prefix}/voices/Anna")).json()["voice"]["consent"] == "cons_1234"
    removed = await library.delete(f"{voices}/{voice['id']}")
    assert removed.status_code == 200
    assert removed.json() == {"id": voice["id"], "deleted": True, "object": "audio.voice.deleted"}
    again = await library.delete(f"{voices}/{voice['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "voice_not_found")
    assert (await library.get(f"{voices}/{voice['id']}")).status_code == 404


async def test_openais_own_client_makes_and_removes_a_voice(library: httpx.AsyncClient) -> None:
    asked = 0

    async def count(_: object) -> None:
        nonlocal asked
        asked += 1

    http_client = openai.DefaultAsyncHttpxClient(event_hooks={"request": [count]})
    async with openai.AsyncOpenAI(
        base_url=f"{library.base_url}/v1", api_key="none", max_retries=2, http_client=http_client
    ) as client:
        voice = await client.audio.voices.create(
            name="Anna 😀", audio_sample=("anna.wav", CLIP), consent="cons_1234", type="audio_sample"
        )
        assert (voice.name, voice.object, voice.type) == ("Anna 😀", "audio.voice", "audio_sample")
        spoken = await client.audio.speech.with_raw_response.create(
            model="tts-1", voice={"id": voice.id}, input="Hello."
        )
        assert spoken.headers["x-voice-id"] == voice.id
        asked = 0
        with pytest.raises(openai.ConflictError) as conflict:
            await client.audio.voices.create(name="anna 😀", audio_sample=("a.wav", CLIP), consent="cons_1")
        assert (conflict.value.code, conflict.value.param, asked) == ("name_taken", "name", 1)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.audio.voices.create(name="Berta", prompt="A calm voice.", type="prompt")
        assert (refused.value.code, refused.value.param) == ("unsupported_voice_type", "type")
        deleted = await client.audio.voices.delete(voice.id)
        assert (deleted.id, deleted.deleted, deleted.object) == (voice.id, True, "audio.voice.deleted")
        with pytest.raises(openai.NotFoundError):
            await client.audio.voices.delete(voice.id)
