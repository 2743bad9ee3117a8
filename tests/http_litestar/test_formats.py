"""Every format over HTTP: label, bytes and the way they are sent agree, and what is asked of the sound is done."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx
import pytest
import pytest_asyncio
from support.in_process import serving, speech_service

from chatterbox_api_core.formats import FORMATS, PCM
from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_core.types import AudioFormat, ClipLimits, Pcm
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder
from chatterbox_api_testkit.sounds import frequency_hz, middle

pytestmark = pytest.mark.asyncio(loop_scope="module")

Spoken: TypeAlias = Callable[..., Awaitable[httpx.Response]]

BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {
    "wav": b"RIFF",
    "wav-24": b"RIFF",
    "wav-float": b"RIFF",
    "mp3": (b"ID3", b"\xff"),  # a streamed one has no tag, and begins with a frame
    "flac": b"fLaC",
    "ogg": b"OggS",
    "opus": b"OggS",
    "aac": b"\xff\xf1",
    "m4a": b"\0\0\0",
    "webm": b"\x1aE\xdf\xa3",
    "pcm": b"",
}
TEXT = "The same sentence in every format."


def read(audio_format: AudioFormat, data: bytes) -> Pcm:
    if audio_format is PCM:
        return Pcm.from_s16le(data, sample_rate_hz=24_000)
    return InProcessClipReader().decode(data, limits=ClipLimits(min_duration_s=0)).pcm


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spoken() -> AsyncGenerator[Spoken, None]:
    """The answer to a request with these fields, of one service for all tests."""
    service = speech_service(ToneSynthesizer(), encoders=[PyavEncoder(), SoundfileEncoder()])
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:

        async def ask(**asked: Any) -> httpx.Response:
            return await client.post("/v1/audio/speech", json={"input": TEXT, **asked})

        yield ask


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reference(spoken: Spoken) -> Pcm:
    """The sentence as WAV has it."""
    return read(FORMATS[0], (await spoken(response_format="wav")).content)


@pytest.mark.parametrize("stream", [None, True, False])
@pytest.mark.parametrize("audio_format", FORMATS, ids=lambda each: each.name)
async def test_label_and_bytes_agree(
    audio_format: AudioFormat, stream: bool | None, spoken: Spoken, reference: Pcm
) -> None:
    answer = await spoken(response_format=audio_format.name, stream=stream)
    assert (answer.status_code, answer.headers["content-type"]) == (200, audio_format.media_type)
    complete = not audio_format.streams if stream is None else not stream
    assert ("content-length" in answer.headers) == complete, "a stream does not know its length"
    assert answer.content.startswith(BEGINNINGS[audio_format.name])
    pcm = read(audio_format, answer.content)
    assert pcm.duration_s == pytest.approx(reference.duration_s, abs=0.12)
    assert frequency_hz(middle(pcm)) == pytest.approx(frequency_hz(middle(reference)), rel=0.02)


async def test_what_is_asked_of_the_sound_is_done(spoken: Spoken, reference: Pcm) -> None:
    answer = await spoken(
        response_format="wav", sample_rate=16_000, loudness=-20, trim=True, input=f"{TEXT} [pause:1s] {TEXT}"
    )
    pcm = read(FORMATS[0], answer.content)
    assert pcm.sample_rate_hz == 16_000
    assert pcm.duration_s == pytest.approx(2 * reference.duration_s + 1, abs=0.2)


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"sample_rate": 96_000}, "invalid_sample_rate", "sample_rate"),
        ({"sample_rate": "fast"}, "invalid_sample_rate", "sample_rate"),
        ({"sample_rate": 22_050, "response_format": "opus"}, "invalid_sample_rate", "sample_rate"),
        ({"loudness": 3}, "invalid_loudness", "loudness"),
        ({"trim": "yes"}, "invalid_type", "trim"),
        ({"sentence_pause_ms": -1}, "invalid_pause", "sentence_pause_ms"),
        ({"paragraph_pause_ms": 20_000}, "invalid_pause", "paragraph_pause_ms"),
        ({"response_format": "MP4"}, "unsupported_format", "response_format"),
    ],
)
async def test_what_cannot_be_done_is_refused(asked: dict[str, Any], code: str, param: str, spoken: Spoken) -> None:
    answer = await spoken(**asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
