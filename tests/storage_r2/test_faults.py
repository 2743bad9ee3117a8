"""What a running service does while the bucket fails, in every way that it can, and how soon it is well again.

The drills of the table run side by side, each line of them on a service of its own, while other tests of this module
run; the tests of the table look at what came out.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from support.in_process import speech_service
from support.r2_service import Answer, R2Service, clip, is_clip, r2_service, settings_for, stock, until
from support.r2_stores import new_prefix, open_store
from support.s3_faults import FaultProxy, Request
from support.s3_servers import S3Server

from chatterbox_api_core.errors import ChatterboxError, Unavailable
from chatterbox_api_core.reference import ToneSynthesizer
from chatterbox_api_core.speech import SpeechRequest, SpeechService
from chatterbox_api_core.types import ClipLimits, VoiceAudio, VoiceDraft
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_storage_r2.store import R2Store
from chatterbox_api_testkit.sounds import frequency_hz, middle

_log = logging.getLogger(__name__)

LONG: Final = bool(os.environ.get("CHATTERBOX_LONG_TESTS"))
QUICK_S: Final = 3.0
ANSWERED_S: Final = 10.0
WRITTEN_S: Final = 35.0
BACK_S: Final = 15.0
LINES: Final = 7
FRESH_S: Final = 31.0
"""After that the bucket is asked again about a voice that is known."""

ALL: Final = {
    "down": "storage_unreachable",
    "blackhole": "storage_unreachable",
    "slow": "storage_unreachable",
    "stall": "storage_unreachable",
    "reset": "storage_unreachable",
    "end": "storage_unreachable",
    "403": "storage_refused",
    "404bucket": "storage_no_bucket",
    "429": "storage_busy",
    "500": "storage_error",
    "skew": "storage_clock",
}
"""The faults of everything that is asked, and what the service says of each."""

CLIPS: Final = {"reset": "storage_unreachable", "end": "storage_unreachable", "500": "storage_error"}
"""Those of clips alone, while all else is answered."""


@dataclass(frozen=True)
class Drill:
    fault: str
    code: str
    only_clips: bool

    @property
    def hz(self) -> float:
        """Of a voice whose clip no other drill fetches."""
        return 400 + 10 * DRILLS.index(self)

    def __str__(self) -> str:
        return f"{self.fault} of clips" if self.only_clips else self.fault


DRILLS: Final = [
    *(Drill(fault, code, only_clips=False) for fault, code in ALL.items()),
    *(Drill(fault, code, only_clips=True) for fault, code in CLIPS.items()),
]


@dataclass(frozen=True)
class Observed:
    """What a service did.

    Attributes:
        cached: a voice that had spoken before.
        uncached: a voice that is known, but whose clip has to be fetched.
        unknown: a name that nobody has.
        written: a voice that was made when the fault began.
        ready: `/ready`, once it said that something is wrong, or at the end.
        refused: a voice made when the fault was known.
        back_s: from the end of the fault until everything worked.
    """

    cached: Answer
    uncached: Answer
    unknown: Answer
    written: Answer
    ready: Answer
    refused: Answer
    back_s: float

    def times(self) -> str:
        return ", ".join(
            f"{name} {answer.status} {answer.took_s:.1f} s" for name, answer in vars(self).items() if name != "back_s"
        )


def drill(service: R2Service, proxy: FaultProxy, this: Drill) -> Observed:
    uncached, made = f"uncached {this}", f"made {this}"
    assert service.speak("cached").hz == 300
    assert service.get(f"/v1/voices/{uncached}").status == 200
    proxy.fail(this.fault, when=is_clip if this.only_clips else None)
    if LONG:
        time.sleep(FRESH_S)
    with ThreadPoolExecutor(4) as pool:
        written = pool.submit(service.create, made, 900)
        cached, fetched, unknown = pool.map(service.speak, ["cached", uncached, f"unknown {this}"])
        ready = _ready(service, this)
        refused = service.create(f"refused {this}", 900)
        at_last = written.result()
    proxy.fault = "pass"
    began = time.monotonic()
    until(lambda: service.get("/ready").status == 200, within_s=BACK_S)
    until(lambda: service.speak(uncached).status == 200, within_s=BACK_S)
    until(lambda: service.speak(f"unknown {this}").status == 404, within_s=BACK_S)
    # Nobody can say of the first whether it was made; whoever tries again finds out, and has it.
    until(lambda: service.create(made, 900).status in (201, 409), within_s=BACK_S)
    back_s = time.monotonic() - began
    assert [service.speak(voice).hz for voice in ("cached", uncached, made)] == [300, this.hz, 900]
    return Observed(cached, fetched, unknown, at_last, ready, refused, back_s)


def _ready(service: R2Service, this: Drill) -> Answer:
    if this.only_clips:
        return service.get("/ready")
    until(lambda: service.get("/ready").status != 200, within_s=ANSWERED_S)
    return service.get("/ready")


@pytest.fixture(scope="module", autouse=True)
def observed(
    s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[Drill, Future[Observed]], None, None]:
    """Begins at once, so that the other tests do not wait for it, nor it for them."""
    found: dict[Drill, Future[Observed]] = {this: Future() for this in DRILLS}
    folder = tmp_path_factory.mktemp("lines")

    def run_line(number: int) -> None:
        drills, prefix = DRILLS[number::LINES], new_prefix()
        stock(s3_server, prefix=prefix, voices={"cached": 300} | {f"uncached {this}": this.hz for this in drills})
        with ExitStack() as stack:
            proxy = stack.enter_context(FaultProxy(s3_server.url))
            settings = settings_for(s3_server, prefix=prefix, url=proxy.url)
            service = stack.enter_context(r2_service(folder / str(number), settings))
            for this in drills:
                try:
                    found[this].set_result(drill(service, proxy, this))
                except BaseException as error:
                    found[this].set_exception(error)
                    proxy.fault = "pass"

    with ThreadPoolExecutor(LINES) as pool:
        lines = [pool.submit(run_line, number) for number in range(LINES)]
        yield found
        for line in lines:
            line.result()


# --- clips that come, but not as they are


def test_a_clip_damaged_on_the_way_is_fetched_once_more_and_never_kept(s3_server: S3Server, tmp_path: Path) -> None:
    prefix = new_prefix()
    stock(s3_server, prefix=prefix, voices={"anna": 300, "bert": 400})
    fetched: list[Request] = []

    def note(request: Request) -> bool:
        if is_clip(request):
            fetched.append(request)
        return is_clip(request)

    with FaultProxy(s3_server.url) as proxy:
        with r2_service(tmp_path / "a", settings_for(s3_server, prefix=prefix, url=proxy.url)) as service:
            proxy.fail("corrupt", when=note)
            refused = service.speak("anna")
            assert (refused.status, refused.code) == (500, "voice_damaged")
            assert len(fetched) == 2
            assert service.get("/ready").status == 200
            proxy.fail("corrupt", when=is_clip, nth=1)
            assert service.speak("bert").hz == 400, "the second time it came whole"
            proxy.fault = "pass"
            assert service.speak("anna").hz == 300


def test_a_slow_clip_that_keeps_coming_speaks(s3_server: S3Server, tmp_path: Path) -> None:
    prefix = new_prefix()
    stock(s3_server, prefix=prefix, voices={"anna": 300})
    with FaultProxy(s3_server.url) as proxy:
        with r2_service(tmp_path / "a", settings_for(s3_server, prefix=prefix, url=proxy.url)) as service:
            proxy.slow_bytes = len(clip(300)) // 4
            proxy.fail("slow", when=is_clip)
            spoken = service.speak("anna")
            assert spoken.hz == 300
            assert spoken.took_s > 0.6, "it was slow"


def test_a_write_whose_answer_is_lost_is_told_as_it_is(s3_server: S3Server, tmp_path: Path) -> None:
    """It was done, so it is said to be done; which of its requests it was makes no difference."""
    with FaultProxy(s3_server.url) as proxy:
        settings = settings_for(s3_server, prefix=new_prefix(), url=proxy.url)
        with r2_service(tmp_path / "a", settings) as service:
            for nth in (1, 2, 3, 4):
                proxy.fail("lost-reply", when=lambda request: request.method == "PUT", nth=nth)
                made = service.create(f"anna {nth}", 300)
                assert made.status == 201, (nth, made.body)
                assert service.speak(f"anna {nth}").hz == 300
            assert service.names() == [f"anna {nth}" for nth in (1, 2, 3, 4)]


def test_a_key_that_may_only_read_speaks_and_says_why_it_writes_nothing(s3_server: S3Server, tmp_path: Path) -> None:
    prefix = new_prefix()
    stock(s3_server, prefix=prefix, voices={"anna": 300})
    with FaultProxy(s3_server.url) as proxy:
        with r2_service(tmp_path / "a", settings_for(s3_server, prefix=prefix, url=proxy.url)) as service:
            proxy.fail("403", when=lambda request: request.method != "GET")
            for refused in (service.create("bert", 400), service.replace("anna", 500), service.rename("anna", "bert")):
                assert (refused.status, refused.code) == (500, "storage_read_only"), refused.body
            assert service.get("/ready").status == 200
            assert service.speak("anna").hz == 300
            assert service.names() == ["anna"]


# --- when what is known has to be looked at again


REVALIDATED: Final = ["down", "blackhole", "slow", "stall", "reset", "end", "403", "404bucket", "429", "500", "skew"]


async def spoken(speech: SpeechService, voice: str) -> tuple[float, float]:
    """Its frequency in Hz, and how long that took."""
    began = time.monotonic()
    async with speech.stream(SpeechRequest("Hello there.", voice=voice)) as stream:
        data = await stream.read()
    took_s = time.monotonic() - began
    sound = await asyncio.to_thread(InProcessClipReader().decode, data, limits=ClipLimits(min_duration_s=0))
    return round(frequency_hz(middle(sound.pcm)), -1), took_s


async def added(store: R2Store, name: str, hz: float) -> str:
    return (await store.add(VoiceDraft(name=name), _audio(hz))).id


def _audio(hz: float) -> VoiceAudio:
    data = clip(hz)
    return VoiceAudio(data, hashlib.sha256(data).hexdigest(), 1.5, "audio/wav", "clip.wav")


async def revalidate(server: S3Server, fault: str) -> Sequence[tuple[float, float]]:
    """A voice speaks three times after its time is over and the bucket fails, the last two at once."""
    prefix = new_prefix()
    with FaultProxy(server.url) as proxy:
        async with (
            open_store(server, prefix=prefix) as other,
            open_store(server, prefix=prefix, url=proxy.url, fresh_s=0.5) as store,
        ):
            speech = speech_service(ToneSynthesizer(), store=store)
            voice_id = await added(other, "anna", 300)
            assert (await spoken(speech, "anna"))[0] == 300
            await asyncio.to_thread(proxy.fail, fault)
            await other.replace(voice_id, _audio(400))
            await asyncio.sleep(0.6)
            answers = [await spoken(speech, "anna")]
            answers += await asyncio.gather(spoken(speech, "anna"), spoken(speech, voice_id))
            await asyncio.to_thread(proxy.fail, "pass")
            async with asyncio.timeout(BACK_S):
                while (await _heard(speech, "anna")) != 400:
                    await asyncio.sleep(0.2)
            return answers


async def _heard(speech: SpeechService, voice: str) -> float | None:
    try:
        return (await spoken(speech, voice))[0]
    except ChatterboxError:
        return None


async def test_a_cached_voice_is_not_held_up_by_a_bucket_that_should_be_asked_again(s3_server: S3Server) -> None:
    """It speaks as it was last known, and as it is now once the bucket is back."""
    all_answers = await asyncio.gather(*(revalidate(s3_server, fault) for fault in REVALIDATED))
    for fault, answers in zip(REVALIDATED, all_answers, strict=True):
        assert [hz for hz, _ in answers] == [300, 300, 300], fault
        assert max(took_s for _, took_s in answers) < QUICK_S, (fault, answers)


@pytest.mark.parametrize("fault", ["down", "blackhole"])
async def test_what_was_last_known_speaks_no_longer_than_it_may(s3_server: S3Server, fault: str) -> None:
    prefix = new_prefix()
    with FaultProxy(s3_server.url) as proxy:
        async with open_store(s3_server, prefix=prefix, url=proxy.url, fresh_s=0.2, stale_max_s=2.5) as store:
            speech = speech_service(ToneSynthesizer(), store=store)
            await added(store, "anna", 300)
            assert (await spoken(speech, "anna"))[0] == 300
            await asyncio.to_thread(proxy.fail, fault)
            await asyncio.sleep(0.3)
            assert (await spoken(speech, "anna"))[0] == 300
            await asyncio.sleep(2.6)
            began = time.monotonic()
            with pytest.raises(Unavailable, match="cannot be reached"):
                await spoken(speech, "anna")
            assert time.monotonic() - began < ANSWERED_S


# --- the table


@pytest.mark.parametrize("this", DRILLS, ids=str)
def test_the_table_of_faults(observed: dict[Drill, Future[Observed]], this: Drill) -> None:
    """A cached voice speaks and is not held up; what needs the bucket says so in time; then all is well by itself."""
    seen = observed[this].result(timeout=300)
    _log.info("%s: %s; all well after %.1f s", this, seen.times(), seen.back_s)
    assert seen.cached.hz == 300
    assert seen.cached.took_s < QUICK_S
    assert (seen.uncached.status, seen.uncached.code) == (503, this.code)
    assert seen.uncached.retry_after_s is not None
    assert seen.uncached.took_s < ANSWERED_S
    if this.only_clips:
        assert (seen.unknown.status, seen.written.status, seen.ready.status) == (404, 201, 200)
    else:
        assert (seen.unknown.status, seen.unknown.code) == (503, this.code), (
            "nobody can say that there is no such voice"
        )
        assert seen.unknown.took_s < ANSWERED_S
        assert seen.written.status == 503, seen.written.body
        assert seen.written.took_s < WRITTEN_S
        assert (seen.ready.status, seen.ready.code) == (503, this.code)
        assert (seen.refused.status, seen.refused.code) == (503, this.code)
        assert seen.refused.took_s < QUICK_S, "a bucket that is known to be unavailable is not waited for"
    assert seen.back_s < BACK_S
