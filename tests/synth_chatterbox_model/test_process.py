"""The model's own process, with small models: what fails in it, what stops it, what it cannot load."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import time
from pathlib import Path

import psutil
import pytest

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, InvalidAudio, SynthesisFailed, Unavailable
from chatterbox_api_synth_chatterbox.child.loading import load_engine
from chatterbox_api_synth_chatterbox.models import MODELS
from chatterbox_api_synth_chatterbox.supervisor import ModelSupervisor
from chatterbox_api_worker.frames import error_from_frame, error_to_frame
from chatterbox_api_worker.spec import Timeouts

TINY = Path(__file__).parents[1] / "support/tiny_site"
GOOD = "Hello there."


class Process(ModelSupervisor):
    """The original model's, on the CPU."""

    def __init__(self, folder: Path, marks: Path) -> None:
        super().__init__(
            {"role": "speech", "model": "original", "folder": str(folder), "device": "cpu"},
            title="Small",
            timeouts=Timeouts(retry_s=1.0),
            environment={
                "PYTHONPATH": os.pathsep.join(filter(None, (str(TINY), os.environ.get("PYTHONPATH")))),
                "CHATTERBOX_TEST_FAULTS": str(marks),
            },
        )
        self.planted = marks / "planted"

    async def say(self, text: str = GOOD) -> bytes:
        return bytes((await self.run({"do": "speak", "text": text, "seed": 1, "language": "en", "params": {}}))[1])

    async def failure(self, text: str = GOOD) -> ChatterboxError:
        with pytest.raises(ChatterboxError) as caught:
            await self.say(text)
        return caught.value


async def test_what_fails_what_is_left_and_what_ends_it(tmp_path: Path, weights: Path) -> None:
    """One test, because each start of the process takes seconds."""
    folder = tmp_path / "weights"
    shutil.copytree(weights / "original", folder)
    (folder / "s3gen.safetensors").rename(tmp_path / "s3gen.safetensors")
    process = Process(folder, tmp_path)
    try:
        await it_says_what_is_missing_and_works_once_it_is_there(process, folder)
        await it_survives_what_does_not_harm_it(process)
        await it_stops_what_nobody_waits_for(process)
        await it_is_replaced_after_what_does_harm_it(process)
    finally:
        await process.close()
    assert process.pid is None


async def it_says_what_is_missing_and_works_once_it_is_there(process: Process, folder: Path) -> None:
    error = await process.failure()
    assert isinstance(error, ConfigurationError)
    assert error.message.endswith("lacks s3gen.safetensors.")
    known = process.load_failure
    assert known is not None
    assert known.remedy
    assert process.pid is None
    (folder.parent / "s3gen.safetensors").rename(folder / "s3gen.safetensors")
    async with asyncio.timeout(30):
        while process.load_failure is not None:
            await asyncio.sleep(0.05)
    assert len(await process.say()) > 0


async def it_survives_what_does_not_harm_it(process: Process) -> None:
    good, pid = await process.say(), process.pid
    harmless = {
        "raise@5": "synthesis_failed",
        "raise@s2": "synthesis_failed",
        "oom@5": "out_of_memory",
        "oom@s2": "out_of_memory",
        "memory@5": "out_of_memory",
    }
    for fault, code in harmless.items():
        failed, behind = await asyncio.gather(process.failure(f"[[{fault}]] {GOOD}"), process.say())
        assert (type(failed), failed.code) == (SynthesisFailed, code), fault
        assert behind == good, fault
    silence = struct.pack("32000f", *[0.0] * 32_000)
    with pytest.raises(InvalidAudio):
        await process.run({"do": "prepare", "sample_rate_hz": 16_000}, silence)
    assert await process.say() == good
    assert process.pid == pid


async def it_stops_what_nobody_waits_for(process: Process) -> None:
    """From the second step on each takes a second; of the tokens there are ten and more, of S3Gen's steps ten."""
    good, pid = await process.say(), process.pid
    for fault in ("slow@2", "slow@s2"):
        process.planted.unlink(missing_ok=True)
        asked = asyncio.create_task(process.say(f"[[{fault}]] {GOOD}"))
        async with asyncio.timeout(30):
            while not process.planted.exists():
                await asyncio.sleep(0.01)
        began_s = time.monotonic()
        asked.cancel()
        await asyncio.wait((asked,))
        assert time.monotonic() - began_s < 0.5
        assert await process.say() == good
        assert time.monotonic() - began_s < 5, fault
    assert process.pid == pid


async def it_is_replaced_after_what_does_harm_it(process: Process) -> None:
    good, pid = await process.say(), process.pid
    lost = asyncio.create_task(process.failure(f"[[cuda@5]] {GOOD}"))
    behind = asyncio.create_task(process.say())
    killed = asyncio.create_task(process.failure(f"[[kill@s2]] {GOOD}"))
    assert (await lost).code == "synthesis_failed"
    assert await behind == good
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert process.pid not in (None, pid)
    assert (await killed).code == "engine_died"


@pytest.mark.parametrize("what", ["broken", "offline", "no cuda"])
def test_what_cannot_be_loaded_is_said_in_a_sentence_with_a_remedy(
    what: str, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And comes through the pipe as it was."""
    folder, device = str(weights / "original"), "cpu"
    if what == "broken":
        shutil.copytree(folder, tmp_path / "broken")
        (tmp_path / "broken/t3_cfg.safetensors").write_bytes(b"<html>Not found</html>" * 1000)
        folder = str(tmp_path / "broken")
    elif what == "offline":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        folder = ""
    else:
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        device = "cuda"
    cls, code, words = {
        "broken": (ConfigurationError, "weights_broken", "cannot be loaded"),
        "offline": (Unavailable, "weights_missing", "are not on this machine"),
        "no cuda": (ConfigurationError, "no_such_device", "CHATTERBOX_DEVICE cannot be cuda"),
    }[what]
    with pytest.raises(ChatterboxError, match=words) as caught:
        load_engine(MODELS["original"], folder=folder, device=device, report=lambda _: None)
    received = error_from_frame(error_to_frame(caught.value))
    assert type(received) is type(caught.value) is cls
    assert (received.code, received.message, received.remedy) == (code, caught.value.message, caught.value.remedy)
    assert received.remedy
    assert "\n" not in received.message
