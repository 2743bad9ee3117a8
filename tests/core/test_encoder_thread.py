"""A thread for each encoder: whatever the encoder does, its request ends with an error of ours, and nobody waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import pytest
from support.in_process import speech_service

from chatterbox_api_core.errors import DeadlineExceeded, EncodingFailed, InvalidInput
from chatterbox_api_core.ports import ByteSink, StreamEncoder
from chatterbox_api_core.reference import ToneSynthesizer, WavEncoder
from chatterbox_api_core.speech import SpeechLimits, SpeechRequest
from chatterbox_api_core.speech._encoder_thread import EncoderThread
from chatterbox_api_core.types import AudioFormat, EncodeOptions, Pcm


async def test_calls_are_done_in_order_in_one_thread_that_ends() -> None:
    thread = EncoderThread(deadline_s=5)
    names = [await thread.call(threading.current_thread) for _ in range(3)]
    assert len(set(names)) == 1
    assert await thread.call(divmod, 7, 2) == (3, 1)
    thread.close()
    names[0].join(timeout=5)
    assert not names[0].is_alive()


@pytest.mark.parametrize("failure", [RuntimeError, StopIteration, KeyboardInterrupt, SystemExit, TimeoutError])
async def test_every_exception_becomes_one_of_ours(failure: type[BaseException]) -> None:
    def fail() -> NoReturn:
        raise failure("secret words")

    thread = EncoderThread(deadline_s=5)
    with pytest.raises(EncodingFailed) as caught:
        await thread.call(fail)
    assert failure.__name__ in str(caught.value)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, failure)
    assert await thread.call(int, "3") == 3, "the thread goes on"
    thread.close()


async def test_errors_of_ours_pass() -> None:
    def fail() -> NoReturn:
        raise InvalidInput("No.", code="mine")

    thread = EncoderThread(deadline_s=5)
    with pytest.raises(InvalidInput) as caught:
        await thread.call(fail)
    assert caught.value.code == "mine"
    thread.close()


class StubbornEncoder:
    """An encoder that does something else at one of its calls."""

    formats = WavEncoder.formats
    effects = WavEncoder.effects

    def __init__(self, at: str, do: Callable[[], object]) -> None:
        self._at, self._do = at, do

    def open(
        self, audio_format: AudioFormat, sink: ByteSink, *, input_rate_hz: int, streaming: bool, options: EncodeOptions
    ) -> _Stubborn:
        if self._at == "open":
            self._do()
        inner = WavEncoder().open(audio_format, sink, input_rate_hz=input_rate_hz, streaming=streaming, options=options)
        return _Stubborn(inner, self._at, self._do)


class _Stubborn:
    def __init__(self, inner: StreamEncoder, at: str, do: Callable[[], object]) -> None:
        self._inner, self._at, self._do = inner, at, do

    def encode(self, pcm: Pcm) -> None:
        if self._at == "encode":
            self._do()
        self._inner.encode(pcm)

    def flush(self) -> None:
        if self._at == "flush":
            self._do()
        self._inner.flush()


@pytest.mark.parametrize("at", ["open", "encode", "flush"])
async def test_an_encoder_that_fails_or_hangs_ends_its_request_alone(at: str) -> None:
    def fail() -> NoReturn:
        raise StopIteration

    released = threading.Event()
    for do, expected, code in (
        (fail, EncodingFailed, "encoding_failed"),
        (released.wait, DeadlineExceeded, "encoder_timeout"),
    ):
        limits = SpeechLimits(encoder_wait_s=30 if do is fail else 0.5)
        service = speech_service(ToneSynthesizer(), encoders=[StubbornEncoder(at, do)], slots=1, queue=0, limits=limits)
        for _ in range(2):
            with pytest.raises(expected) as caught:
                async with service.stream(SpeechRequest("Hello.")) as stream:
                    await stream.read()
            assert caught.value.code == code
            assert service.queue.running == 0
    released.set()


HANGING = """
import asyncio, time
from chatterbox_api_core.speech._encoder_thread import EncoderThread
from chatterbox_api_core.errors import DeadlineExceeded

async def main():
    try:
        await EncoderThread(deadline_s=0.1).call(time.sleep, 3600)
    except DeadlineExceeded:
        print("late")

asyncio.run(main())
"""


def test_a_program_ends_although_an_encoder_hangs() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "late"
    assert time.monotonic() - began < 50


async def test_a_result_that_nobody_waits_for_is_dropped() -> None:
    thread = EncoderThread(deadline_s=5)
    released = threading.Event()
    waiting = asyncio.create_task(thread.call(released.wait, 5))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    released.set()
    assert await thread.call(int, "3") == 3
    thread.close()
