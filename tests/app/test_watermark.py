"""`chatterbox-api watermark`, and the service with a detector that an installed package brings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest
from support.pilot import installed_pilot, marked_wav, unmarked_wav
from support.service import clean_environment, run_cli, running_service

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def pilot(tmp_path: Path) -> dict[str, str]:
    """The settings that choose a detector; it is installed beside the test's folder."""
    return installed_pilot(tmp_path.with_name(f"{tmp_path.name}-site"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spoken.wav").write_bytes(marked_wav(2.0))
    (tmp_path / "me.wav").write_bytes(unmarked_wav())
    (tmp_path / "tiny.wav").write_bytes(marked_wav(0.5))
    (tmp_path / "letter.mp3").write_text("Dear Anna,\n" * 100)
    return tmp_path


@pytest.fixture
def run(folder: Path, pilot: dict[str, str]) -> Run:
    def command(*arguments: str, code: int, **settings: str) -> CompletedProcess[str]:
        done = run_cli("watermark", *arguments, cwd=folder, **{**pilot, **settings})
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


def test_the_exit_code_says_whether_all_carry_it(run: Run) -> None:
    assert run("spoken.wav", code=0).stdout == "✓ spoken.wav: a watermark; confidence 1.00, 2.0 s judged\n"
    assert run("me.wav", code=6).stdout == "– me.wav: no watermark; confidence 0.00, 1.5 s judged\n"
    told = run("spoken.wav", "me.wav", "spoken.wav", code=6).stdout
    assert [line[:1] for line in told.splitlines()] == ["✓", "–", "✓"]


def test_what_cannot_be_read_is_told_beside_the_others(run: Run) -> None:
    told = run("letter.mp3", "me.wav", "tiny.wav", "spoken.wav", code=2).stdout.splitlines()
    assert [line[:1] for line in told] == ["✗", "–", "✗", "✓"]
    assert told[0].startswith("✗ letter.mp3: The clip cannot be read")
    assert told[2] == ("✗ tiny.wav: The clip lasts 0.50 s; at least 1 s are needed. Too little can be told from less.")


def test_scripts_get_json(run: Run) -> None:
    spoken, me, letter = json.loads(run("spoken.wav", "me.wav", "letter.mp3", "--json", code=2).stdout)
    assert spoken == {"file": "spoken.wav", "watermarked": True, "confidence": 1.0, "duration_s": 2.0}
    assert (me["watermarked"], me["confidence"]) == (False, 0.0)
    assert (letter["file"], letter["error"]["code"]) == ("letter.mp3", "invalid_audio")
    assert "watermarked" not in letter


def test_wrong_use(run: Run) -> None:
    assert "does not exist" in run("nothing.wav", code=2).stderr
    assert "Missing argument" in run(code=2).stderr
    assert "once" in run("-", "-", code=2).stderr
    assert "10,485,760 are allowed" in run("/dev/zero", code=2).stdout


@pytest.mark.parametrize(("name", "code"), [("spoken.wav", 0), ("me.wav", 6), ("letter.mp3", 2)])
def test_standard_input(folder: Path, pilot: dict[str, str], name: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chatterbox_api", "watermark", "-"],
        cwd=folder,
        env=clean_environment(folder, pilot),
        input=(folder / name).read_bytes(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "standard input: " in done.stdout.decode()


def test_without_a_detector_it_says_what_to_install(run: Run) -> None:
    missing = run("spoken.wav", code=3, WATERMARK_DETECTOR="auto").stderr
    assert "hatch run chatterbox:serve" in missing
    assert "hatch run chatterbox:serve" in run("me.wav", code=3, WATERMARK_DETECTOR="perth").stderr
    assert "WATERMARK_DETECTOR=none" in run("spoken.wav", code=3, WATERMARK_DETECTOR="none").stderr
    assert "nobody" in run("spoken.wav", code=3, WATERMARK_DETECTOR="nobody").stderr


def test_no_library_and_no_engine_are_needed(run: Run, folder: Path) -> None:
    run("spoken.wav", code=0, R2_BUCKET_NAME="voices", SYNTHESIZER="nobody", DATA_DIR=str(folder / "data"))
    assert not (folder / "data").exists()


def test_the_service_has_what_is_installed(tmp_path: Path, pilot: dict[str, str]) -> None:
    with running_service(tmp_path, SYNTHESIZER="tone", VOICE_STORE="memory", **pilot) as service:
        answer = httpx.post(f"{service.url}/v1/audio/watermark", files={"file": ("a.wav", marked_wav(2.0))})
    assert (answer.status_code, answer.json()) == (200, {"watermarked": True, "confidence": 1.0, "duration_s": 2.0})


def test_a_service_without_a_detector_starts_and_says_so(tmp_path: Path) -> None:
    with running_service(tmp_path, SYNTHESIZER="tone", VOICE_STORE="memory") as service:
        answer = httpx.post(f"{service.url}/audio/watermark", files={"file": ("a.wav", marked_wav())})
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "watermark_unsupported")
