"""The Synthesizer with the small original model in its process, and the state of its plug-in."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil
import pytest

from chatterbox_api_core.errors import InvalidAudio, Unavailable
from chatterbox_api_core.plugins import Incomplete, Ready
from chatterbox_api_core.types import Pcm, Utterance, VoicePrompt
from chatterbox_api_synth_chatterbox.plugin import plugin
from chatterbox_api_synth_chatterbox.synthesizer import ChatterboxSynthesizer
from chatterbox_api_testkit.sounds import voice_like

TINY = Path(__file__).parents[1] / "support/tiny_site"
SHORT: Final = "So it is."


class Clip:
    """A voice of a pitch, which counts how often it is fetched."""

    def __init__(self, hz: float, *, duration_s: float = 1.5) -> None:
        self.fetched, self._pcm = 0, voice_like(hz, duration_s)
        self.prompt = VoicePrompt(f"{round(hz):064}", self._fetch)

    async def _fetch(self) -> Pcm:
        self.fetched += 1
        return self._pcm


async def say(engine: ChatterboxSynthesizer, clip: Clip | None, seed: int) -> bytes:
    prompt = None if clip is None else clip.prompt
    return b"".join([bytes(pcm.samples) async for pcm in engine.speak(Utterance(SHORT, seed=seed), prompt)])


async def test_100_requests_of_10_voices_8_at_a_time_each_sound_as_alone(weights: Path) -> None:
    """Sample for sample; each clip is fetched once. Then the process leaves memory, and the voices do not."""
    clips = [Clip(90 + 20 * number) for number in range(10)]
    requests = [(clip, number) for number, clip in enumerate(clips)]
    async with ChatterboxSynthesizer.open(
        folder=str(weights / "original"),
        device="cpu",
        concurrent=8,
        environment={"PYTHONPATH": os.pathsep.join(filter(None, (str(TINY), os.environ.get("PYTHONPATH"))))},
    ) as engine:
        first = await asyncio.gather(*(say(engine, clips[0], 0) for _ in range(8)))
        assert clips[0].fetched == 1
        alone = {(clip, seed): await say(engine, clip, seed) for clip, seed in requests}
        assert first == [alone[clips[0], 0]] * 8
        assert len(set(alone.values())) == len(requests)
        assert await say(engine, None, 0) not in alone.values()

        places, mixed = asyncio.Semaphore(8), random.Random(1).sample(requests * 10, 100)

        async def placed(clip: Clip, seed: int) -> bytes:
            async with places:
                return await say(engine, clip, seed)

        together = await asyncio.gather(*(placed(*request) for request in mixed))
        assert together == [alone[request] for request in mixed]
        assert [clip.fetched for clip in clips] == [1] * 10

        for _ in range(3):
            with pytest.raises(InvalidAudio):
                await say(engine, Clip(500, duration_s=0.5), 0)
        await engine.ready()
        pid = engine.pid
        assert pid is not None
    assert not psutil.pid_exists(pid)
    with pytest.raises(Unavailable):
        await say(engine, None, 0)


# The plug-in


def test_a_folder_that_lacks_files_is_incomplete_and_names_them(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "ve.safetensors").touch()
    lacking = [str(tmp_path / name) for name in ("t3_cfg.safetensors", "s3gen.safetensors", "tokenizer.json")]
    assert plugin.state({"CHATTERBOX_MODEL_DIR": str(tmp_path)}) == Incomplete(tuple(lacking))
    assert plugin.state({"CHATTERBOX_MODEL_DIR": str(weights / "original")}) == Ready()
    turbo = {"CHATTERBOX_MODEL": "turbo", "CHATTERBOX_MODEL_DIR": str(weights / "original")}
    assert isinstance(plugin.state(turbo), Incomplete)


def test_the_hub_s_cache_makes_it_ready_and_without_it_it_waits_to_be_asked_for(tmp_path: Path) -> None:
    """In a process of its own, because the Hub's library reads HF_HOME once. torch is not imported for it."""
    script = """
import sys
from pathlib import Path
from chatterbox_api_synth_chatterbox.plugin import plugin
print(sorted({"torch", "huggingface_hub"} & set(sys.modules)))
print(plugin.state({}))
repository = Path(sys.argv[1], "hub/models--ResembleAI--chatterbox")
snapshot = repository / "snapshots/0123456789abcdef"
snapshot.mkdir(parents=True)
(repository / "refs").mkdir()
(repository / "refs/main").write_text(snapshot.name)
for name in ("ve.safetensors", "t3_cfg.safetensors", "s3gen.safetensors", "tokenizer.json"):
    print(type(plugin.state({})).__name__)
    (snapshot / name).touch()
print(plugin.state({}))
print(type(plugin.state({"CHATTERBOX_MODEL": "turbo"})).__name__)
print("torch" in sys.modules)
"""
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "[]"
    assert "it would download 3.2 GB of weights" in lines[1]
    assert lines[2:] == ["OnRequest"] * 4 + ["Ready()", "OnRequest", "False"]
