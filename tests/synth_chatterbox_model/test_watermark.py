"""What the model says carries Perth's mark, and the detector finds it after all that we do to a sound.

The small models make an even noise, which keeps the mark in every format, but not at every tempo. For speech there is
`speech_like`: syllables of a gliding voice through moving formants, hisses and pauses; it keeps the mark at every tempo
too. That a learned model's speech does is not shown here: there are no weights.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pytest
import pytest_asyncio

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.plugins import Ready
from chatterbox_api_core.types import ClipLimits, EncodeOptions, Pcm, WatermarkFinding
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request
from chatterbox_api_synth_chatterbox.child.watermark_jobs import load
from chatterbox_api_synth_chatterbox.detector import JUDGED_S, THRESHOLD, PerthDetector
from chatterbox_api_synth_chatterbox.models import RATE_HZ
from chatterbox_api_synth_chatterbox.perth_plugin import plugin
from chatterbox_api_testkit.sounds import voice_like
from chatterbox_api_worker.serving import JobContext
from chatterbox_api_worker.spec import Timeouts

FILES: Final = ("wav", "mp3", "flac", "ogg", "opus", "aac", "m4a", "webm")
TEMPOS: Final = tuple(EncodeOptions(tempo=tempo) for tempo in (0.5, 0.8, 1.25, 2.0))
EFFECTS: Final[tuple[EncodeOptions, ...]] = (
    EncodeOptions(loudness_lufs=-30.0),
    EncodeOptions(sample_rate_hz=8_000),
    EncodeOptions(sample_rate_hz=48_000),
    EncodeOptions(trim=True),
)
ANY: Final = ClipLimits(min_duration_s=0.5)


def pcm(samples: Any) -> Pcm:
    values: Any = np.ascontiguousarray(samples, dtype=np.float32)
    return Pcm(memoryview(values), RATE_HZ)


def array(sound: Pcm) -> Any:
    return np.asarray(sound.samples)


def through(sound: Pcm, name: str, options: EncodeOptions | None = None) -> Pcm:
    """Encoded as the service would, at the encoder's defaults, and decoded as an upload would be."""
    encoder = next(found for found in (PyavEncoder(), SoundfileEncoder()) if name in {f.name for f in found.formats})
    chosen = next(offered for offered in encoder.formats if offered.name == name)
    sink = BytesIO()
    stream_encoder = encoder.open(
        chosen, sink, input_rate_hz=sound.sample_rate_hz, streaming=False, options=options or EncodeOptions()
    )
    stream_encoder.encode(sound)
    stream_encoder.flush()
    return InProcessClipReader().decode(sink.getvalue(), limits=ANY).pcm


def handled(sound: Pcm, *more: EncodeOptions) -> Iterator[tuple[str, Pcm]]:
    """A sound after each format, and after each effect and `more` of them."""
    for name in FILES:
        yield name, through(sound, name)
    for effect in (*EFFECTS, *more):
        yield str(effect), through(sound, "wav", effect)


@cache
def detect() -> Callable[[Pcm], float]:
    """Perth's number for a sound, by the job that the detector's process does."""
    job, context = load({}, lambda _: None)["detect"], cast("JobContext", None)  # the job has no steps

    def confidence(sound: Pcm) -> float:
        answer, _ = job({"sample_rate_hz": sound.sample_rate_hz}, bytes(sound.samples.cast("B")), context)
        return float(answer["confidence"])

    return confidence


@cache
def perth() -> Any:
    return __import__("perth").PerthImplicitWatermarker()


def marked(sound: Pcm) -> Pcm:
    return Pcm(
        memoryview(perth().apply_watermark(array(sound), sample_rate=sound.sample_rate_hz)), sound.sample_rate_hz
    )


def speech_like(seed: int, duration_s: float = 5.0) -> Pcm:
    chance = np.random.default_rng(seed)
    parts: list[Any] = []
    while sum(map(len, parts)) < duration_s * RATE_HZ:
        syllable_s, pause_s, hiss_s = chance.uniform(0.12, 0.35), chance.uniform(0.1, 0.3), chance.uniform(0.03, 0.12)
        hiss = np.diff(chance.normal(0, 0.03, round(hiss_s * RATE_HZ))) * np.hanning(round(hiss_s * RATE_HZ) - 1)
        parts += [
            _syllable(chance, syllable_s),
            hiss,
            np.zeros(round(pause_s * RATE_HZ) if chance.random() < 0.2 else 0),
        ]
    return pcm(np.concatenate(parts)[: round(duration_s * RATE_HZ)])


def _syllable(chance: Any, duration_s: float) -> Any:
    """A buzz whose pitch glides, loudest where three resonances are, which glide too."""
    share = np.linspace(0, 1, round(duration_s * RATE_HZ))
    pitch_hz = chance.uniform(90, 220) * np.exp(chance.uniform(-0.3, 0.3) * share)
    phase = 2 * math.pi * np.cumsum(pitch_hz) / RATE_HZ
    formants = [
        (low + (high - low) * share, width)
        for (low, high), width in ((chance.uniform(*span, 2), width) for span, width in _FORMANTS)
    ]
    sound = np.zeros(len(share))
    for k in range(1, 40):
        gain = sum(
            1 / (1 + ((k * pitch_hz - centre) / width) ** 2) / (i + 1) for i, (centre, width) in enumerate(formants)
        )
        sound += np.where(k * pitch_hz < 0.45 * RATE_HZ, gain, 0) / math.sqrt(k) * np.sin(k * phase)
    return 0.25 * np.sqrt(np.sin(math.pi * share).clip(0)) * sound / np.abs(sound).max()


_FORMANTS: Final = (((300.0, 800.0), 80.0), ((900.0, 2300.0), 110.0), ((2400.0, 3200.0), 160.0))


@pytest.mark.parametrize("seed", range(3))
def test_all_that_the_model_says_carries_the_mark(endless: Engine, seed: int) -> None:
    """Some five seconds, which is where a model that finds no end is cut off."""
    said = pcm(endless.speak(Request("Yes.", seed), None, lambda: None).samples.numpy())
    assert said.duration_s > 1
    found = {name: detect()(sound) for name, sound in handled(said)}
    assert len(found) == len(FILES) + len(EFFECTS)
    assert min(found.values()) > 0.9, found


def test_it_is_the_mark_that_is_found(endless: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sound without it: as the model made it, before Perth.

    The small models' noise has an offset. A clip reader takes it off, and of the centred noise Perth is less sure.
    """
    monkeypatch.setattr(endless, "_marked", lambda sound: sound)
    said = pcm(endless.speak(Request("Yes.", 0), None, lambda: None).samples.numpy())
    found = [detect()(said), detect()(through(said, "wav")), detect()(through(said, "flac"))]
    assert found[0] < 0.1, found
    assert max(found) < THRESHOLD - 0.15, found


@pytest.mark.parametrize("seed", range(6))
def test_speech_is_told_from_marked_speech_after_all_that_we_do(seed: int) -> None:
    sound = speech_like(seed)
    with_mark = {name: detect()(each) for name, each in handled(marked(sound), *TEMPOS)}
    without = {name: detect()(each) for name, each in handled(sound, *TEMPOS)}
    assert min(with_mark.values()) > THRESHOLD + 0.15, with_mark
    assert max(without.values()) < THRESHOLD - 0.15, without


def test_a_sound_is_judged_as_a_whole() -> None:
    """A marked passage in a longer recording is found by itself, and not in its midst."""
    before, passage, after = speech_like(10, 15.0), marked(speech_like(11)), speech_like(12, 15.0)
    assert detect()(passage) > THRESHOLD
    assert detect()(pcm(np.concatenate([array(before), array(passage), array(after)]))) < THRESHOLD


def test_of_a_steady_hum_perth_tells_nothing() -> None:
    """Of the test kit's buzz at one pitch it takes one for marked that is not, and of another loses the mark."""
    assert detect()(voice_like(120, 5.0, sample_rate_hz=RATE_HZ)) > THRESHOLD
    assert detect()(marked(voice_like(180, 5.0, sample_rate_hz=RATE_HZ))) < THRESHOLD


@pytest_asyncio.fixture
async def detector() -> AsyncGenerator[PerthDetector, None]:
    async with PerthDetector.open(timeouts=Timeouts(idle_s=1.0)) as opened:
        yield opened


async def test_the_detector_judges_in_a_process_that_comes_and_goes(detector: PerthDetector) -> None:
    """And which, when it is lost, is replaced."""
    sound = speech_like(0)
    assert detector.pid is None
    found = await asyncio.gather(detector.detect(marked(sound)), detector.detect(sound))
    assert [each.marked for each in found] == [True, False]
    assert found[0].confidence > 0.9 > 0.35 > found[1].confidence
    assert [each.duration_s for each in found] == [pytest.approx(5.0, abs=0.02)] * 2
    assert detector.pid is not None
    async with asyncio.timeout(30):
        while detector.pid is not None:
            await asyncio.sleep(0.05)
    assert (await detector.detect(marked(sound))).marked
    killed = detector.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    async with asyncio.timeout(30):
        while detector.pid == killed:
            await asyncio.sleep(0.05)
    assert (await detector.detect(marked(sound))).marked


async def test_who_leaves_leaves_it_ready_for_the_next(detector: PerthDetector) -> None:
    sound = marked(speech_like(0))
    leaving = asyncio.create_task(detector.detect(sound))
    await asyncio.sleep(0.1)
    leaving.cancel()
    await asyncio.wait((leaving,))
    assert leaving.cancelled()
    assert (await detector.detect(sound)).marked


async def test_what_is_no_sound_carries_no_mark(detector: PerthDetector) -> None:
    for silent in (pcm([]), pcm([0.1] * 100), Pcm.silence(3.0, sample_rate_hz=11_127)):
        found = await detector.detect(silent)
        assert found == WatermarkFinding(marked=False, confidence=0.0, duration_s=silent.duration_s)


async def test_only_the_beginning_of_a_long_sound_is_heard(detector: PerthDetector) -> None:
    passage = array(marked(speech_like(0)))
    silence = np.zeros(round(JUDGED_S * RATE_HZ), np.float32)
    found = await detector.detect(pcm(np.concatenate([silence, passage])))
    assert (found.marked, found.duration_s) == (False, JUDGED_S)
    assert (await detector.detect(pcm(np.concatenate([passage, silence])))).marked


async def test_what_perth_lacks_is_named(tmp_path: Path) -> None:
    """It needs pkg_resources, which newer setuptools do not have, and hides that it is missing."""
    (tmp_path / "pkg_resources.py").write_text("raise ModuleNotFoundError('No module called so', name='pkg_resources')")
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    async with PerthDetector.open(environment={"PYTHONPATH": path}) as lacking:
        with pytest.raises(ConfigurationError) as caught:
            await lacking.detect(speech_like(0))
    assert caught.value.code == "watermark_missing"
    assert "setuptools<81" in str(caught.value)


async def test_the_plugin_opens_it() -> None:
    assert plugin.state({}) == Ready()
    async with plugin.open({}) as opened:
        assert (await opened.detect(marked(speech_like(1)))).marked
