"""espeak-ng: every language, voices that differ by pitch, and children that can be killed."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import parselmouth
import psutil
import pytest

from chatterbox_api_core.errors import ConfigurationError, SynthesisFailed, Unavailable
from chatterbox_api_core.languages import language_tag
from chatterbox_api_core.types import Pcm, Utterance
from chatterbox_api_synth_espeak.pitch import REACH_HZ, nearest
from chatterbox_api_synth_espeak.synthesizer import EspeakSynthesizer
from chatterbox_api_testkit.sounds import collect, prompt, voice_like
from chatterbox_api_worker.spec import Timeouts

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it goes home."
QUICK = Timeouts(load_s=30, stall_s=1, ping_s=1, cancel_s=0.5, retry_s=0.5)


def pitch_hz(pcm: Pcm) -> float:
    sound = parselmouth.Sound(np.asarray(pcm.samples, np.float64), pcm.sample_rate_hz)
    track = sound.to_pitch(pitch_floor=50, pitch_ceiling=600).selected_array["frequency"]
    return float(np.median(track[track > 0]))


async def test_every_language_speaks() -> None:
    async with EspeakSynthesizer.open(processes=2) as engine:
        languages = engine.capabilities.languages
        assert len(languages) > 130
        for language in languages:
            kept = language_tag(language.tag)
            assert kept is not None, f"{language} cannot be a voice's language"
            assert kept.lower() == language.tag.lower()
        for language in languages:
            sound = await collect(engine.speak(Utterance("1 2 3 ᎣᏏᏲ", language=language.tag), None))
            assert sound.duration_s > 0.1, language


@pytest.mark.parametrize("hz", [80, 110, 140, 200, 300])
async def test_a_clip_sets_the_pitch(hz: int) -> None:
    async with EspeakSynthesizer.open(processes=1) as engine:
        clip = prompt(voice_like(hz, 3), key=f"{hz:064}")
        spoken = pitch_hz(await collect(engine.speak(Utterance(SENTENCE), clip)))
    assert abs(12 * math.log2(spoken / hz)) < 1.5, f"{spoken:.0f} Hz for a clip of {hz} Hz"


def test_beyond_its_reach_comes_the_nearest() -> None:
    assert nearest(30) == ("", 0)
    assert nearest(900) == ("+f2", 99)
    assert nearest(None) == ("", 50)
    assert REACH_HZ[0] < 70
    assert REACH_HZ[1] > 300


async def test_a_silent_clip_is_the_default_voice() -> None:
    async with EspeakSynthesizer.open(processes=1) as engine:
        clip = prompt(Pcm.silence(3, sample_rate_hz=16_000), key="0" * 64)
        silent = await collect(engine.speak(Utterance(SENTENCE), clip))
        assert pitch_hz(silent) == pytest.approx(pitch_hz(await collect(engine.speak(Utterance(SENTENCE), None))), 0.05)


def children_of_espeak(module: str = "speech_worker") -> list[psutil.Process]:
    """The engine's processes, among those that other tests may keep."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # one that has just ended has no command line
            if f"chatterbox_api_synth_espeak.{module}" in child.cmdline():
                found.append(child)
    return found


async def test_one_process_measures_for_all_and_may_be_lost() -> None:
    """It is there once a clip needs it: Praat takes 65 MB."""
    async with EspeakSynthesizer.open(processes=3, timeouts=QUICK) as engine:

        async def spoken_hz(hz: int, name: str) -> float:
            clip = prompt(voice_like(hz, 3), key=f"{name} {hz}")
            return pitch_hz(await collect(engine.speak(Utterance(SENTENCE), clip)))

        assert children_of_espeak("pitch_worker") == []
        first = await asyncio.gather(*(spoken_hz(hz, "first") for hz in (90, 140, 250)))
        (worker,) = children_of_espeak("pitch_worker")
        worker.kill()
        assert await spoken_hz(90, "after it was killed") == pytest.approx(first[0], rel=0.02)
        (worker,) = children_of_espeak("pitch_worker")
        await frozen(worker)
        assert await spoken_hz(250, "after it froze") == pytest.approx(first[2], rel=0.02)
        assert len(children_of_espeak("pitch_worker")) == 1
        assert first[0] < first[1] < first[2]
    assert children_of_espeak("pitch_worker") == []


async def test_killed_children_are_replaced_and_the_work_is_done_again() -> None:
    async with EspeakSynthesizer.open(processes=3) as engine:
        whole = (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s
        for _ in range(3):
            for child in children_of_espeak():
                child.kill()
            spoken = await asyncio.gather(*(collect(engine.speak(Utterance(SENTENCE), None)) for _ in range(3)))
            assert [sound.duration_s for sound in spoken] == pytest.approx([whole] * 3, rel=0.02)
        await engine.ready()


async def test_killed_mid_speech_fails_cleanly() -> None:
    async with EspeakSynthesizer.open(processes=1) as engine:
        sound = engine.speak(Utterance(SENTENCE * 40), None)
        await anext(sound)
        (child,) = children_of_espeak()
        child.kill()
        with pytest.raises(SynthesisFailed):
            async for _ in sound:
                pass
        assert (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s > 1


async def test_a_frozen_child_is_replaced_when_it_is_left() -> None:
    async with EspeakSynthesizer.open(processes=1) as engine:
        sound = engine.speak(Utterance(SENTENCE * 40), None)
        await anext(sound)
        (child,) = children_of_espeak()
        child.suspend()
        await sound.aclose()
        assert (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s > 1


async def frozen(child: psutil.Process) -> None:
    """Stop a process; the signal takes effect only when each of its threads has had a turn."""
    child.suspend()
    async with asyncio.timeout(10):
        while child.status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.01)


async def test_no_child_that_responds_is_not_ready_until_one_is_there_again() -> None:
    async with EspeakSynthesizer.open(processes=2, timeouts=Timeouts(load_s=30, ping_s=3)) as engine:
        for child in children_of_espeak():
            await frozen(child)
        with pytest.raises(Unavailable):
            await engine.ready()
        async with asyncio.timeout(30):
            while True:
                with suppress(Unavailable):
                    await engine.ready()
                    break
        assert (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s > 1


async def test_one_child_that_responds_is_ready() -> None:
    async with EspeakSynthesizer.open(processes=2) as engine:
        await frozen(children_of_espeak()[0])
        await engine.ready()


async def test_who_meets_a_frozen_child_is_spoken_to_by_the_next() -> None:
    async with EspeakSynthesizer.open(processes=1, timeouts=QUICK) as engine:
        await frozen(children_of_espeak()[0])
        assert (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s > 1


async def test_a_child_that_freezes_while_it_speaks_fails_its_request_and_no_other() -> None:
    async with EspeakSynthesizer.open(processes=1, timeouts=QUICK) as engine:
        sound = engine.speak(Utterance(SENTENCE * 40), None)
        await anext(sound)
        await frozen(children_of_espeak()[0])
        with pytest.raises(SynthesisFailed, match="did not respond for 1 s"):
            async for _ in sound:
                pass
        assert (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s > 1


async def test_left_mid_frame_it_finds_its_way_back() -> None:
    """Cancelled at any moment, also between the head and the body of a frame, the next request hears only itself."""
    async with EspeakSynthesizer.open(processes=1) as engine:
        whole = (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s
        for delay_ms in range(12):
            task = asyncio.create_task(collect(engine.speak(Utterance(SENTENCE * 10), None)))
            await asyncio.sleep(delay_ms / 2000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            spoken = (await collect(engine.speak(Utterance(SENTENCE), None))).duration_s
            assert spoken == pytest.approx(whole, rel=0.02)


async def test_no_child_outlives_the_engine() -> None:
    async with EspeakSynthesizer.open(processes=3) as engine:
        children = children_of_espeak()
        assert len(children) == 3
        await anext(engine.speak(Utterance(SENTENCE * 40), None))
    assert not [child for child in children if child.is_running()]


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio\n"
        "from chatterbox_api_core.types import Utterance\n"
        "from chatterbox_api_synth_espeak.synthesizer import EspeakSynthesizer\n"
        "async def main():\n"
        "    async with EspeakSynthesizer.open(processes=3) as engine:\n"
        "        await anext(engine.speak(Utterance('one two three ' * 500), None))\n"
        "        print('up', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    children = psutil.Process(parent.pid).children()
    assert len(children) == 3
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=2)
    assert not alive


@pytest.mark.parametrize(
    ("options", "field"),
    [({"language": "klingon"}, "ESPEAK_LANGUAGE"), ({"data_path": "/nowhere/data"}, "ESPEAK_DATA_PATH")],
)
async def test_wrong_settings_stop_the_start(options: dict[str, Any], field: str) -> None:
    began = time.monotonic()
    with pytest.raises(ConfigurationError) as caught:
        async with EspeakSynthesizer.open(processes=2, **options):
            pass
    assert caught.value.field == field
    assert time.monotonic() - began < 5
    assert not children_of_espeak()
