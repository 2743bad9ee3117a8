"""A request's encoder beside its engine: whatever it does, the slot is free in time, and other requests go on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, NoReturn

import pytest
from support.in_process import speech_service

from chatterbox_api_core.errors import (
    ChatterboxError,
    DeadlineExceeded,
    EncodingFailed,
    InvalidInput,
    Overloaded,
    SynthesisFailed,
)
from chatterbox_api_core.ports import ByteSink
from chatterbox_api_core.reference import ToneSynthesizer, WavEncoder
from chatterbox_api_core.speech import SpeechLimits, SpeechRequest
from chatterbox_api_core.speech._background_encoder import BackgroundEncoder
from chatterbox_api_core.speech._encoder_pool import EncoderPool
from chatterbox_api_core.speech.spool import Spool, SpoolBudget
from chatterbox_api_core.types import AudioFormat, EncodeOptions, Pcm

HALF_A_SECOND = Pcm.silence(0.5, sample_rate_hz=24_000)
"""It is encoded in one call."""
Hook = Callable[[str], None]


class HookedEncoder:
    """Writes a byte for each call, and does what its `hook` does at the call that is named."""

    formats = WavEncoder.formats
    effects = WavEncoder.effects
    inline_formats: frozenset[str] = frozenset()

    def __init__(self, hook: Hook, sink: ByteSink | None = None) -> None:
        self._hook, self._sink = hook, sink

    def open(
        self, audio_format: AudioFormat, sink: ByteSink, *, input_rate_hz: int, streaming: bool, options: EncodeOptions
    ) -> HookedEncoder:
        self._hook("open")
        return HookedEncoder(self._hook, sink)

    def encode(self, pcm: Pcm) -> None:
        self._hook("encode")
        self._write()

    def flush(self) -> None:
        self._hook("flush")
        self._write()

    def _write(self) -> None:
        assert self._sink is not None
        self._sink.write(b".")


class Bench:
    """A BackgroundEncoder, and what it says."""

    def __init__(
        self,
        hook: Hook = lambda _: None,
        *,
        encoder: type[HookedEncoder] = HookedEncoder,
        pool: EncoderPool | None = None,
        inline: bool = False,
        deadline_s: float = 30.0,
        budget: SpoolBudget | None = None,
        max_bytes: int = 1000,
    ) -> None:
        self.spool = Spool(budget or SpoolBudget(), max_bytes=max_bytes)
        self.pool = pool or EncoderPool(threads=2)
        self.written, self.failures = 0, 0
        self.encoder = BackgroundEncoder(
            lambda: encoder(hook, self.spool),
            spool=self.spool,
            pool=self.pool,
            inline=inline,
            deadline_s=deadline_s,
            on_written=self._on_written,
            on_failure=self._on_failure,
        )

    def _on_written(self) -> None:
        self.written += 1

    def _on_failure(self) -> None:
        self.failures += 1

    async def encode(self, pieces: int) -> None:
        for _ in range(pieces):
            await self.encoder.push(HALF_A_SECOND)
        await self.encoder.finish()

    def close(self) -> None:
        self.encoder.close()
        self.spool.close()


def _wait_for(event: threading.Event) -> None:
    event.wait(60)


async def test_sound_is_encoded_in_order_beside_the_event_loop() -> None:
    calls: list[tuple[str, bool]] = []
    bench = Bench(lambda name: calls.append((name, threading.current_thread() is threading.main_thread())))
    await bench.encode(3)
    assert calls == [("encode", False)] * 3 + [("flush", False)]
    assert (bench.spool.size_bytes, bench.written, bench.pool.pending_bytes) == (4, 4, 0)
    bench.close()


@pytest.mark.parametrize(
    ("inline", "failure"),
    [
        *((inline, failure) for inline in (False, True) for failure in (RuntimeError, StopIteration, TimeoutError)),
        (False, KeyboardInterrupt),
        (False, SystemExit),
    ],
)
@pytest.mark.parametrize("at", ["encode", "flush"])
async def test_every_exception_becomes_one_of_ours(failure: type[BaseException], at: str, inline: bool) -> None:
    def hook(name: str) -> None:
        if name == at:
            raise failure("secret words")

    bench = Bench(hook, inline=inline)
    with pytest.raises(EncodingFailed) as caught:
        await bench.encode(1)
    assert failure.__name__ in str(caught.value)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, failure)
    bench.close()
    other = Bench(pool=bench.pool)
    await other.encode(1)
    other.close()


async def test_core_s_own_errors_pass_and_the_spool_s_are_raised() -> None:
    def refuse(name: str) -> NoReturn:
        raise InvalidInput("No.", code="mine")

    for bench, code in ((Bench(refuse), "mine"), (Bench(max_bytes=1), "output_too_long")):
        with pytest.raises(InvalidInput) as caught:
            await bench.encode(1)
        assert caught.value.code == code
        assert bench.failures == 1, "reported once, beside what is raised"
        bench.close()


async def test_quick_formats_are_encoded_on_the_event_loop_while_the_memory_has_room() -> None:
    threads: list[bool] = []
    hook: Hook = lambda _: threads.append(threading.current_thread() is not threading.main_thread())  # noqa: E731
    for budget, elsewhere in ((SpoolBudget(), False), (SpoolBudget(memory_bytes=0), True)):
        bench = Bench(hook, inline=True, budget=budget)
        await bench.encode(1)
        assert threads
        assert set(threads) == {elsewhere}, "a disk may take its time"
        bench.close()
        threads.clear()


async def test_long_sound_leaves_as_it_is_encoded() -> None:
    class MeasuringEncoder(HookedEncoder):
        def encode(self, pcm: Pcm) -> None:
            lengths.append(len(pcm))
            super().encode(pcm)

    lengths: list[int] = []
    bench = Bench(encoder=MeasuringEncoder)
    await bench.encoder.push(Pcm.silence(10.0, sample_rate_hz=24_000))
    await bench.encoder.finish()
    assert sum(lengths) == 240_000
    assert max(lengths) <= 2**14
    assert bench.written == len(lengths) + 1
    bench.close()


async def test_a_thread_that_hangs_is_replaced() -> None:
    released = threading.Event()
    pool = EncoderPool(threads=1)
    for _ in range(3):
        stuck = Bench(lambda _: _wait_for(released), pool=pool, deadline_s=0.1)
        await stuck.encoder.push(HALF_A_SECOND)
        with pytest.raises(DeadlineExceeded) as caught:
            await stuck.encoder.finish()
        assert caught.value.code == "encoder_timeout"
        stuck.close()
    other = Bench(pool=pool)
    await other.encode(1)
    other.close()
    released.set()
    assert pool.pending_bytes == 0


async def test_a_thread_that_hangs_is_replaced_although_its_request_has_left() -> None:
    released = threading.Event()
    pool = EncoderPool(threads=1)
    for _ in range(3):
        stuck = Bench(lambda _: _wait_for(released), pool=pool, deadline_s=0.1)
        await stuck.encoder.push(HALF_A_SECOND)
        await asyncio.sleep(0.02)
        stuck.close()
    other = Bench(pool=pool)
    async with asyncio.timeout(30):
        await other.encode(1)
    assert other.spool.size_bytes == 2
    assert pool.pending_bytes == 0
    other.close()
    released.set()


async def test_where_no_thread_can_be_started_the_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    pool = EncoderPool(threads=2)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            refused = Bench(pool=pool)
            with pytest.raises(Overloaded):
                await refused.encode(1)
            refused.close()
    other = Bench(pool=pool)
    async with asyncio.timeout(30):
        await other.encode(1)
    other.close()


async def test_after_a_failure_the_encoder_is_called_no_more() -> None:
    calls: list[str] = []

    def fail(name: str) -> NoReturn:
        calls.append(name)
        raise RuntimeError

    bench = Bench(fail, pool=EncoderPool(threads=1))
    with contextlib.suppress(EncodingFailed):
        for _ in range(50):
            await bench.encoder.push(HALF_A_SECOND)
    for call in (bench.encoder.drain, bench.encoder.finish, partial(bench.encoder.push, HALF_A_SECOND)):
        async with asyncio.timeout(30):
            with pytest.raises(EncodingFailed):
                await call()
    assert calls == ["encode"]
    assert bench.pool.pending_bytes == 0
    bench.close()


async def test_other_tasks_have_their_turn_between_two_pieces() -> None:
    bench, turns = Bench(inline=True), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await bench.encode(20)
    counting.cancel()
    assert turns >= 20
    bench.close()


async def test_waiting_for_a_thread_is_no_hanging() -> None:
    released = threading.Event()
    pool = EncoderPool(threads=1)
    first = Bench(lambda _: _wait_for(released), pool=pool)
    await first.encoder.push(HALF_A_SECOND)
    second = Bench(pool=pool, deadline_s=0.05)
    await second.encoder.push(HALF_A_SECOND)
    await asyncio.sleep(0.3)
    released.set()
    await second.encoder.finish()
    await first.encoder.finish()
    assert (first.failures, second.failures) == (0, 0)
    assert (first.spool.size_bytes, second.spool.size_bytes) == (2, 2)
    first.close()
    second.close()


async def test_no_more_encoders_work_at_once_than_there_are_threads() -> None:
    working, most, lock = 0, 0, threading.Lock()

    def hook(name: str) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.002)
        with lock:
            working -= 1

    pool = EncoderPool(threads=2)
    benches = [Bench(hook, pool=pool) for _ in range(12)]

    async def encode(bench: Bench) -> None:
        await bench.encode(10)
        bench.close()

    await asyncio.gather(*map(encode, benches))
    assert most == 2
    assert [bench.written for bench in benches] == [11] * 12


async def test_an_engine_waits_only_when_too_much_sound_waits() -> None:
    released = threading.Event()
    pool = EncoderPool(threads=1, max_pending_bytes=3 * HALF_A_SECOND.samples.nbytes)
    bench = Bench(lambda _: _wait_for(released), pool=pool)
    async with asyncio.timeout(30):
        for _ in range(3):
            await bench.encoder.push(HALF_A_SECOND)
    fourth = asyncio.create_task(bench.encoder.push(HALF_A_SECOND))
    await asyncio.sleep(0.05)
    assert not fourth.done()
    other = Bench(pool=pool)
    async with asyncio.timeout(30):
        await other.encoder.push(HALF_A_SECOND)  # one stretch of sound of each request, however full it is
    released.set()
    await fourth
    await bench.encoder.finish()
    await other.encoder.finish()
    assert pool.pending_bytes == 0
    bench.close()
    other.close()


async def test_what_is_not_encoded_is_dropped_with_the_request() -> None:
    begun, released, calls = threading.Event(), threading.Event(), []

    def hook(name: str) -> None:
        calls.append(name)
        begun.set()
        released.wait()

    bench = Bench(hook, pool=EncoderPool(threads=1))
    for _ in range(5):
        await bench.encoder.push(HALF_A_SECOND)
    await asyncio.to_thread(begun.wait, 30)
    bench.close()
    assert bench.pool.pending_bytes == 0
    released.set()
    other = Bench(pool=bench.pool)
    await other.encode(1)
    assert calls == ["encode"], "nothing follows the call that was under way"
    assert bench.written == 0
    other.close()


async def test_threads_end_with_their_pool() -> None:
    before = set(threading.enumerate())
    bench = Bench(pool=EncoderPool(threads=1))
    await bench.encode(3)
    (thread,) = set(threading.enumerate()) - before
    assert thread.is_alive()
    bench.close()
    del bench
    gc.collect()  # the bench and its encoder know each other
    await asyncio.to_thread(thread.join, 30)
    assert not thread.is_alive()


class CountedEngine(ToneSynthesizer):
    """Says how many of its calls are open, and yields nothing more once `silent` is set."""

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__()
        self.open, self._silent = 0, silent

    async def speak(self, *args: Any, **keywords: Any) -> AsyncGenerator[Pcm, None]:
        self.open += 1
        try:
            async for pcm in super().speak(*args, **keywords):
                yield pcm
                if self._silent:
                    await asyncio.sleep(3600)
        finally:
            self.open -= 1


async def test_the_slot_is_free_with_the_engine_s_last_sound() -> None:
    released = threading.Event()
    service = speech_service(
        ToneSynthesizer(), encoders=[HookedEncoder(lambda _: _wait_for(released))], slots=1, queue=0
    )
    async with asyncio.timeout(30), service.stream(SpeechRequest("Hello.")) as slow:
        while service.queue.running:
            await asyncio.sleep(0.01)
        async with service.stream(SpeechRequest("Hello.")):
            pass
        released.set()
        assert await slow.read()


async def test_a_failing_encoder_does_not_wait_for_the_engine_s_next_sound() -> None:
    def fail(name: str) -> NoReturn:
        raise RuntimeError

    engine = CountedEngine(silent=True)
    service = speech_service(engine, encoders=[HookedEncoder(fail)], slots=1, queue=0)
    async with asyncio.timeout(30):
        with pytest.raises(EncodingFailed):
            async with service.stream(SpeechRequest("Hello.")) as stream:
                await stream.read()
    assert (engine.open, service.queue.running) == (0, 0)


async def test_what_made_an_encoder_fail_is_known_to_the_log() -> None:
    def fail(name: str) -> NoReturn:
        raise RuntimeError("the codec's own words")

    service = speech_service(CountedEngine(silent=True), encoders=[HookedEncoder(fail)])
    with pytest.raises(EncodingFailed) as caught:
        async with service.stream(SpeechRequest("Hello.")) as stream:
            await stream.read()
    assert isinstance(caught.value.__cause__, RuntimeError)


async def test_what_was_spoken_before_the_engine_failed_is_heard() -> None:
    class FailingEngine(ToneSynthesizer):
        async def speak(self, *args: Any, **keywords: Any) -> AsyncGenerator[Pcm, None]:
            for _ in range(3):
                yield Pcm.from_floats([0.5] * 12_000, sample_rate_hz=24_000)
            raise RuntimeError

    slowly: Hook = lambda _: time.sleep(0.02)  # noqa: E731
    service = speech_service(FailingEngine(), encoders=[HookedEncoder(slowly)])
    heard = bytearray()

    async def listen() -> None:
        async with service.stream(SpeechRequest("Hello.", streaming=True)) as stream:
            async for data in stream:
                heard.extend(data)

    with pytest.raises(SynthesisFailed):
        await listen()
    assert heard == b"..."


async def test_an_engine_closes_undisturbed_by_its_encoder() -> None:
    """What an engine does as it is closed, it does to the end, though the encoder fails meanwhile."""
    closed = False

    class TidyEngine(ToneSynthesizer):
        async def speak(self, *args: Any, **keywords: Any) -> AsyncGenerator[Pcm, None]:
            nonlocal closed
            try:
                yield Pcm.from_floats([0.5] * 24_000, sample_rate_hz=24_000)
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.2)
                closed = True

    def fail_late(name: str) -> NoReturn:
        time.sleep(0.1)
        raise RuntimeError

    service = speech_service(TidyEngine(), encoders=[HookedEncoder(fail_late)])
    async with asyncio.timeout(30), service.stream(SpeechRequest("Hello.")):
        await asyncio.sleep(0.05)
    assert closed
    assert service.queue.running == 0


@pytest.mark.parametrize("at", ["open", "encode", "flush"])
async def test_an_encoder_that_fails_or_hangs_ends_its_request(at: str) -> None:
    released = threading.Event()

    def fail(name: str) -> None:
        if name == at:
            raise StopIteration

    def hang(name: str) -> None:
        if name == at:
            released.wait()

    failing: tuple[tuple[Hook, type[ChatterboxError], str], ...] = (
        (fail, EncodingFailed, "encoding_failed"),
        (hang, DeadlineExceeded, "encoder_timeout"),
    )
    for hook, expected, code in failing:
        limits = SpeechLimits(encoder_wait_s=30 if hook is fail else 0.5)
        service = speech_service(ToneSynthesizer(), encoders=[HookedEncoder(hook)], slots=1, queue=0, limits=limits)
        for _ in range(2):
            with pytest.raises(expected) as caught:
                async with service.stream(SpeechRequest("Hello.")) as stream:
                    await stream.read()
            assert caught.value.code == code
            assert service.queue.running == 0
    released.set()


def test_a_program_ends_although_an_encoder_hangs() -> None:
    program = """
import asyncio, time
from chatterbox_api_core.errors import DeadlineExceeded
from chatterbox_api_core.speech._background_encoder import BackgroundEncoder
from chatterbox_api_core.speech._encoder_pool import EncoderPool
from chatterbox_api_core.speech.spool import Spool, SpoolBudget
from chatterbox_api_core.types import Pcm

async def main():
    encoder = BackgroundEncoder(
        lambda: time.sleep(3600), spool=Spool(SpoolBudget(), max_bytes=9), pool=EncoderPool(), inline=False,
        deadline_s=0.1, on_written=print, on_failure=int,
    )
    try:
        await encoder.push(Pcm.silence(1.0, sample_rate_hz=24_000))
        await encoder.finish()
    except DeadlineExceeded:
        print("late")

asyncio.run(main())
"""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "late"
    assert time.monotonic() - began < 50
