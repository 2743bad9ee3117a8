"""The plain program speaks in the voice of a clip, with core's adapters and with installed ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chatterbox_api_core.types import ClipLimits, Pcm
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import frequency_hz, median_pitch_hz, middle, voice_like, wav


def run(examples: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(examples / "asyncio_script.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def heard(path: Path) -> Pcm:
    return InProcessClipReader().decode(path.read_bytes(), limits=ClipLimits(min_duration_s=0)).pcm


def test_hums_as_high_as_its_clip(examples: Path, tmp_path: Path) -> None:
    done = run(examples, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Anna is voice_" in done.stdout
    assert frequency_hz(middle(heard(tmp_path / "speech.wav"))) == pytest.approx(130, rel=0.02)


def test_speaks_with_installed_adapters(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "me.wav").write_bytes(wav(voice_like(200, 3)))
    done = run(examples, tmp_path, "Hello there.", "--adapters", "espeak", "pyav", "--clip", "me.wav", "-o", "me.mp3")
    assert done.returncode == 0, done.stderr
    assert median_pitch_hz(heard(tmp_path / "me.mp3")) == pytest.approx(200, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--adapters", "nobody", "pyav"], "nobody"),
        (["--clip", "nowhere.wav"], "nowhere.wav"),
        (["-o", "speech.morse"], "morse"),
        ([" "], "empty"),
    ],
)
def test_failures_are_sentences(examples: Path, tmp_path: Path, arguments: list[str], word: str) -> None:
    done = run(examples, tmp_path, *arguments)
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
