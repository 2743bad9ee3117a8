"""Whether a recording carries a watermark: read first, judged one at a time, refused early."""

from __future__ import annotations

import asyncio

import pytest
from support.pilot import PilotDetector, marked_wav, unmarked_wav

from chatterbox_api_core.errors import InvalidAudio, Overloaded, SynthesisFailed
from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.speech.request_queue import RequestQueue
from chatterbox_api_core.types import ClipLimits
from chatterbox_api_core.watermarks import Watermarks


def watermarks(detector: PilotDetector, *, limits: ClipLimits | None = None, queue: int = 16) -> Watermarks:
    requests = RequestQueue(slots=1, max_waiting=queue, wait_s=30)
    return Watermarks(detector=detector, clip_reader=WavReader(), limits=limits, queue=requests)


async def test_what_the_detector_finds_is_told() -> None:
    check = watermarks(PilotDetector()).check
    marked, unmarked = await check(marked_wav(2.0)), await check(unmarked_wav())
    assert (marked.marked, unmarked.marked) == (True, False)
    assert marked.confidence > 0.9
    assert unmarked.confidence < 0.1
    assert marked.duration_s == 2.0


@pytest.mark.parametrize(
    ("data", "code", "remedy"),
    [
        (marked_wav(0.5), "audio_too_short", "Too little can be told from less."),
        (marked_wav(4.0), "audio_too_long", "Send a part of it."),
        (b"Dear Anna,", "invalid_audio", "Send a recording as a WAV file."),
    ],
)
async def test_what_cannot_be_judged_is_refused_without_words_about_voices(data: bytes, code: str, remedy: str) -> None:
    with pytest.raises(InvalidAudio) as caught:
        await watermarks(PilotDetector(), limits=ClipLimits(max_duration_s=3.0)).check(data)
    assert (caught.value.code, caught.value.field, caught.value.remedy) == (code, "file", remedy)


async def test_one_is_judged_at_a_time_and_few_may_wait() -> None:
    detector = PilotDetector()
    detector.release.clear()
    found = watermarks(detector, queue=2)
    waiting = [asyncio.create_task(found.check(marked_wav())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await found.check(marked_wav())
    detector.release.set()
    assert [each.marked for each in await asyncio.gather(*waiting)] == [True] * 3
    assert detector.at_once == 1
    assert (await found.check(unmarked_wav())).marked is False


async def test_the_place_of_one_that_fails_or_leaves_is_free_again() -> None:
    broken = watermarks(PilotDetector(failure=SynthesisFailed("It broke.")), queue=0)
    for _ in range(2):
        with pytest.raises(SynthesisFailed):
            await broken.check(marked_wav())
    detector = PilotDetector()
    detector.release.clear()
    found = watermarks(detector, queue=0)
    leaving = asyncio.create_task(found.check(marked_wav()))
    while not detector.at_once:
        await asyncio.sleep(0.01)
    leaving.cancel()
    await asyncio.wait((leaving,))
    detector.release.set()
    assert (await found.check(marked_wav())).marked
