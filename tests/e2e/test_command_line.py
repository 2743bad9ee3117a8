"""The other commands, as a person and as a script use them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.service import clean_environment, free_port, run_cli

from chatterbox_api_core.types import ClipLimits, Pcm
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import frequency_hz, middle, sine, wav


def read(path: Path) -> Pcm:
    any_length = ClipLimits(max_bytes=2**30, min_duration_s=0, max_duration_s=3600)
    return InProcessClipReader().decode(path.read_bytes(), limits=any_length).pcm


def test_say_writes_the_format_of_the_file(tmp_path: Path) -> None:
    files = {"a.wav": b"RIFF", "b.mp3": b"ID3", "c.flac": b"fLaC", "d.ogg": b"OggS", "e.opus": b"OggS"}
    for name, magic in files.items():
        done = run_cli("say", "Good morning. How are you?", "-o", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).read_bytes().startswith(magic)
        assert 1 < read(tmp_path / name).duration_s < 4
    assert sorted(path.name for path in tmp_path.iterdir()) == list(files)


def test_say_sounds_like_the_clip(tmp_path: Path) -> None:
    (tmp_path / "me.wav").write_bytes(wav(sine(350, 2)))
    arguments = ("say", "Hello.", "-o", "out", "--clip", "me.wav", "--format", "mp3")
    done = run_cli(*arguments, cwd=tmp_path, SYNTHESIZER="tone")
    assert done.returncode == 0, done.stderr
    assert frequency_hz(middle(read(tmp_path / "out"))) == pytest.approx(350, rel=0.02)


def test_say_reads_and_writes_pipes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chatterbox_api", "say", "-", "-o", "-", "--format", "wav"]
    text, env = b"One two three. " * 500, clean_environment(tmp_path, {})
    done = subprocess.run(command, input=text, capture_output=True, cwd=tmp_path, env=env, check=True)
    (tmp_path / "out.wav").write_bytes(done.stdout)
    assert read(tmp_path / "out.wav").duration_s > 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_say_that_is_ended_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "chatterbox_api", "say", "On and on. " * 500, "-o", "out.wav"]
    env = clean_environment(tmp_path, {"SYNTHESIZER": "tone", "TONE_PACE": "1"})
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    for _ in range(200):
        if list(tmp_path.iterdir()):
            break
        time.sleep(0.05)
    assert list(tmp_path.iterdir()), "it has begun"
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
    assert b"Traceback" not in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["say", " "], 2, ("empty",)),
        (["say", "Hello.", "--format", "morse"], 2, ("morse", "wav", "mp3")),
        (["say", "Hello.", "--speed", "9"], 2, ("speed", "4")),
        (["say", "Hello.", "--voice", "nobody"], 4, ("nobody",)),
        (["say", "Hello.", "--clip", "nowhere.wav"], 2, ("nowhere.wav",)),
        (["say", "Hello.", "--clip", "text.txt"], 2, ("cannot be read",)),
        (["say", "Hello.", "--voice", "a", "--clip", "text.txt"], 2, ("exclude",)),
        (["say", "Hello.", "-o", "nowhere/out.wav"], 2, ("nowhere",)),
        (["say", "Hello.", "--env-file", "nowhere.env"], 3, ("nowhere.env",)),
        (["sing"], 2, ("sing",)),
        (["sya"], 2, ("Did you mean 'say'?",)),
    ],
)
def test_failures_have_their_exit_code_and_leave_no_file(
    tmp_path: Path, arguments: list[str], code: int, words: tuple[str, ...]
) -> None:
    (tmp_path / "text.txt").write_text("no sound")
    output = ["-o", "out.wav"] if arguments[0] == "say" and "-o" not in arguments else []
    done = run_cli(*arguments, *output, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("separator", [": ", " "])
def test_what_is_not_understood_in_the_file_of_settings_stops_the_start(tmp_path: Path, separator: str) -> None:
    """R2 was meant, and the disk is not taken instead."""
    lines = [f"R2_{name}{separator}hunter2" for name in ("ACCOUNT_ID", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    (tmp_path / ".env").write_text("\n".join(["# R2", *lines]))
    done = run_cli("serve", cwd=tmp_path, PORT=str(free_port()))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: .env, line 2: ")
    assert all(word in done.stderr for word in ("R2_ACCOUNT_ID", "NAME=value"))
    assert "hunter2" not in done.stderr


def test_settings_are_taken_as_people_write_them(tmp_path: Path) -> None:
    """A byte order mark, Windows' ends of lines, the home folder, words in any case."""
    settings = ["SYNTHESIZER=Tone", "ENCODERS = WAV, Auto", 'LOG_LEVEL="Warning"', "CHATTERBOX_PRELOAD=False"]
    lines = [*settings, "VOICE_STORE=Local", "VOICE_LIBRARY_DIR=~/my voices", "VOICE_SAMPLE_PATH=~/me.wav", ""]
    (tmp_path / ".env").write_text("\r\n".join(lines), encoding="utf-8-sig")
    home = tmp_path / "home"
    home.mkdir()
    (home / "me.wav").write_bytes(wav(sine(350, 2)))
    done = run_cli("say", "Hello.", "-o", "out.wav", cwd=tmp_path, HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert frequency_hz(middle(read(tmp_path / "out.wav"))) == pytest.approx(350, rel=0.02)
    assert (home / "my voices" / "voices.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "home", "out.wav"]


def test_plugins_checks_each_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = run_cli("plugins", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    findings = {(finding["group"], finding["name"]): finding for finding in json.loads(done.stdout)}
    for known in (
        *(("voice_stores", "memory"), ("voice_stores", "local"), ("synthesizers", "espeak"), ("synthesizers", "tone")),
        *(("encoders", "pyav"), ("encoders", "wav"), ("clip_readers", "pyav"), ("clip_readers", "wav")),
    ):
        assert findings[known]["state"] == "ready", findings[known]
    broken = run_cli("plugins", cwd=tmp_path, ESPEAK_DATA_PATH="/nowhere/data").stdout
    states = {tuple(line.split()[:2]) for line in broken.splitlines()}
    assert ("espeak", "broken") in states
    assert ("tone", "ready") in states


def test_doctor_finds_health_and_illness(tmp_path: Path) -> None:
    healthy = run_cli("doctor", cwd=tmp_path, PORT=str(free_port()))
    assert healthy.returncode == 0, healthy.stdout
    assert "✗" not in healthy.stdout
    assert all(word in healthy.stdout for word in ("Python", "Settings", "Port", "Engine", "mp3", "wav"))
    ill = run_cli("doctor", cwd=tmp_path, PORT=str(free_port()), ESPEAK_DATA_PATH="/nowhere/data")
    assert ill.returncode == 1
    assert "✗" in ill.stdout
    misspelled = run_cli("doctor", cwd=tmp_path, SYNTHESISER="x")
    assert misspelled.returncode == 1
    assert "SYNTHESIZER" in misspelled.stdout


def test_help_can_be_followed(tmp_path: Path) -> None:
    overview = run_cli("--help", cwd=tmp_path).stdout
    assert all(word in overview for word in ("serve", "say", "plugins", "doctor", "Exit codes"))
    settings = run_cli("serve", "--help", cwd=tmp_path).stdout
    assert all(word in settings for word in ("PORT", "4123", "SYNTHESIZER", "ESPEAK_PROCESSES", "DRAIN_NOTICE_S"))
