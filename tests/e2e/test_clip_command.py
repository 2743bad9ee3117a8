"""`chatterbox-api clip`, and what `voices` says of a recording."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.service import clean_environment, run_cli

from chatterbox_api_testkit.sounds import sine, voice_like, wav

Run = Callable[..., CompletedProcess[str]]
SHORT = "2.0 s are too short to clone a voice well"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "good.wav").write_bytes(wav(voice_like(150, 2.0)))
    (tmp_path / "tiny.wav").write_bytes(wav(sine(440, 0.5)))
    (tmp_path / "letter.mp3").write_text("Dear Anna,\n" * 100)

    def command(*arguments: str, code: int, **settings: str) -> CompletedProcess[str]:
        done = run_cli(*arguments, cwd=tmp_path, **settings)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


def test_a_usable_recording(run: Run, tmp_path: Path) -> None:
    told = run("clip", "good.wav", code=0).stdout
    assert "✓ good.wav: 2.0 s, 16,000 Hz, 1 channel, audio/wav; speech -" in told
    assert SHORT in told
    (found,) = json.loads(run("clip", "good.wav", "--json", code=0).stdout)
    assert (found["file"], found["usable"]) == ("good.wav", True)
    assert (found["report"]["duration_s"], found["report"]["clipped"], found["report"]["missing_s"]) == (2.0, 0, 0.0)
    assert any(SHORT in line for line in found["report"]["advice"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.wav", "letter.mp3", "tiny.wav"]


def test_one_that_is_not_usable_and_why(run: Run) -> None:
    told = run("clip", "good.wav", "tiny.wav", "letter.mp3", code=2).stdout
    assert [line[:1] for line in told.splitlines() if not line.startswith(" ")] == ["✓", "✗", "✗"]
    assert "tiny.wav: The clip lasts 0.50 s; at least 1 s are needed." in told
    found = json.loads(run("clip", "letter.mp3", "good.wav", "--json", code=2).stdout)
    assert [each["usable"] for each in found] == [False, True]
    assert found[0]["error"]["code"] == "invalid_audio"
    assert found[0]["error"]["remedy"]


def test_wrong_use(run: Run) -> None:
    assert "does not exist" in run("clip", "nothing.wav", code=2).stderr
    assert "Missing argument" in run("clip", code=2).stderr
    assert "once" in run("clip", "-", "-", code=2).stderr


@pytest.mark.parametrize(("name", "code"), [("good.wav", 0), ("letter.mp3", 2)])
def test_standard_input(run: Run, tmp_path: Path, name: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chatterbox_api", "clip", "-", "--json"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, {}),
        input=(tmp_path / name).read_bytes(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert json.loads(done.stdout)[0]["file"] == "-"


def test_what_never_ends_is_read_as_far_as_allowed(run: Run) -> None:
    assert "10,485,760 are allowed" in run("clip", "/dev/zero", code=2).stdout


def test_no_library_and_no_service_are_needed(run: Run, tmp_path: Path) -> None:
    """A store that is half set up is of no concern, and nothing is created; the reader is the one that is chosen."""
    run("clip", "good.wav", code=0, R2_BUCKET_NAME="voices", DATA_DIR=str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()
    (found,) = json.loads(run("clip", "good.wav", "--json", code=0, CLIP_READER="wav").stdout)
    assert found["report"]["bandwidth_hz"] is None
    assert "plays" in run("clip", "good.wav", code=3, CLIP_READER="plays").stderr


def test_voices_tell_the_advice(run: Run) -> None:
    for arguments in (("add", "Anna", "good.wav"), ("replace", "Anna", "good.wav")):
        first, *advice = run("voices", *arguments, code=0).stdout.splitlines()
        assert first.endswith(": 2.0 s at 16,000 Hz.")
        assert any(SHORT in line for line in advice)
