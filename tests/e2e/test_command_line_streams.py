"""Commands with the streams and file names of other systems: none ends in a traceback, none misreads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.service import clean_environment, run_cli

from chatterbox_api_testkit.sounds import sine, voice_like, wav

NAME = "小明"
SPELLED_OUT = "\\u5c0f\\u660e"
COMMAND = (sys.executable, "-m", "chatterbox_api")


def run(cwd: Path, *arguments: str | bytes, code: int = 0, text: bytes = b"", encoding: str = "utf-8") -> bytes:
    """What a command prints, in bytes, and on standard error where it fails."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=clean_environment(cwd, {"PYTHONIOENCODING": encoding}),
        input=text,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
    return done.stderr if code else done.stdout


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "me.wav"
    path.write_bytes(wav(voice_like(150, 2.0)))
    return path


def test_every_command_prints_in_the_code_page_of_windows(tmp_path: Path, recording: Path) -> None:
    encoding = "cp1252"
    added = run(tmp_path, "voices", "add", NAME, recording.name, "--alias", "Änne", encoding=encoding).decode("cp1252")
    assert added.startswith(f"Added '{SPELLED_OUT}' (voice_")
    listed = run(tmp_path, "voices", "list", encoding=encoding).decode("cp1252")
    assert listed.startswith(f"{SPELLED_OUT}\n")
    assert "also called Änne" in listed
    assert f"name         {SPELLED_OUT}".encode() in run(tmp_path, "voices", "show", NAME, encoding=encoding)
    run(tmp_path, "voices", "export", "all.zip", encoding=encoding)
    assert f"skipped: {SPELLED_OUT}".encode() in run(
        tmp_path, "voices", "import", "all.zip", "--existing", "skip", encoding=encoding
    )
    assert SPELLED_OUT.encode() in run(tmp_path, "voices", "show", f"{NAME}2", code=4, encoding=encoding)
    assert run(tmp_path, "clip", recording.name, encoding=encoding).startswith(b"ok me.wav: ")
    (tmp_path / "short.wav").write_bytes(wav(sine(440, 0.2)))
    done = run_cli("clip", "short.wav", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout.partition(":")[0]) == (2, "failed short.wav")
    done = run_cli("doctor", cwd=tmp_path, PORT="0", PYTHONIOENCODING=encoding)
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["ok", "Python"], ["failed", "Settings"]]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_names_and_json_are_printed_in_any_encoding(tmp_path: Path, recording: Path, encoding: str) -> None:
    run(tmp_path, "voices", "add", NAME, recording.name, encoding=encoding)
    listed = run(tmp_path, "voices", "list", encoding=encoding).decode(encoding)
    assert listed.startswith(f"{SPELLED_OUT}\n")
    assert all(len(line) <= 80 for line in listed.splitlines())
    (voice,) = json.loads(run(tmp_path, "voices", "list", "--json", encoding=encoding).decode(encoding))
    assert voice["name"] == NAME


@pytest.mark.parametrize("arguments", [["--help"], ["voices", "list"], ["doctor"]], ids=" ".join)
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(tmp_path: Path, arguments: list[str]) -> None:
    env = clean_environment(tmp_path, {"SYNTHESIZER": "tone"})
    env.pop("PYTHONUNBUFFERED")  # what is left over at the end would be written once more by the interpreter
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=env,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        env = clean_environment(tmp_path, {})
        done = subprocess.run(
            [*COMMAND, "voices", "list"],
            cwd=tmp_path,
            env=env,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert b"Traceback" not in done.stderr


TEXT = "Ein schöner Tag für Äpfel."
SAY = ("say", "-", "-o", "-", "--format", "wav", "--language", "de")


def test_text_on_standard_input_is_read_in_its_encoding_or_refused(tmp_path: Path) -> None:
    told = run(tmp_path, *SAY, text=TEXT.encode("cp1252"), code=2).decode()
    assert "not UTF-8 (byte 7)" in told
    assert "iconv" in told
    assert "PYTHONIOENCODING" in told
    spoken = [
        run(tmp_path, *SAY, text=TEXT.encode()),
        run(tmp_path, *SAY, text=TEXT.encode("cp1252"), encoding="cp1252"),
        run(tmp_path, *SAY, text=TEXT.encode("utf-16")),
    ]
    assert len(set(map(len, spoken))) == 1


def test_text_without_end_is_read_as_far_as_allowed(tmp_path: Path) -> None:
    with Path("/dev/zero").open("rb") as endless:
        env = clean_environment(tmp_path, {"SYNTHESIZER": "tone"})
        done = subprocess.run(
            [*COMMAND, *SAY[:-2]], cwd=tmp_path, env=env, stdin=endless, capture_output=True, timeout=120, check=False
        )
    assert done.returncode == 2
    assert b"1000000" in done.stderr.replace(b",", b"")


def test_file_names_may_be_any_bytes(tmp_path: Path, recording: Path) -> None:
    strange = b"\xff\xfe.wav"
    recording.rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + strange))
    assert ".wav: 2.0 s" in run(tmp_path, "clip", strange).decode()
    (found,) = json.loads(run(tmp_path, "clip", "--json", strange))
    assert os.fsencode(found["file"]) == strange
    run(tmp_path, "voices", "add", "Anna", strange)
    assert "Exported 1" in run(tmp_path, "voices", "export", b"\xfd.zip").decode()
    assert b"no folder" in run(tmp_path, "say", "Hi.", "-o", b"\xfc/out.wav", code=2)
    assert b"No such command" in run(tmp_path, b"\xfb", code=2)
