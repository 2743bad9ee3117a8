"""`chatterbox-api voices`, beside a running service that shares the library."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest
from support.service import run_cli, running_service

from chatterbox_api_testkit.sounds import sine, wav

ONE, TWO = wav(sine(300, 1.5)), wav(sine(400, 2.0))
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """One command over a library of the test's own."""
    (tmp_path / "one.wav").write_bytes(ONE)
    (tmp_path / "two.wav").write_bytes(TWO)

    def command(*arguments: str, code: int = 0, library: str = "library") -> CompletedProcess[str]:
        done = run_cli("voices", *arguments, cwd=tmp_path, CLIP_READER="wav", VOICE_LIBRARY_DIR=str(tmp_path / library))
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


def test_the_life_of_a_voice(run: Run, tmp_path: Path) -> None:
    assert "No voices yet" in run("list").stdout
    added = run("add", "Änne", "one.wav", "--alias", "Mum", "--language", "de", "--consent", "yes, 2026").stdout
    assert "Änne" in added
    assert "1.5 s" in added
    run("add", "Bert", "two.wav")
    shown = json.loads(run("show", "mum", "--json").stdout)
    assert (shown["name"], shown["aliases"], shown["language"], shown["consent"]) == (
        "Änne",
        ["Mum"],
        "de",
        "yes, 2026",
    )
    assert shown["sha256"] == hashlib.sha256(ONE).hexdigest()
    assert shown["filename"] == "one.wav"
    assert "Änne" in run("show", "mum").stdout
    assert "name_taken" not in run("rename", "bert", "ÄNNE", code=1).stderr
    run("rename", "bert", "Carl")
    assert "Charles" in run("alias", "carl", "Charles").stdout
    run("alias", "carl", "charles", "--remove")
    assert "no default" in run("default").stdout
    run("default", "carl")
    assert "Carl" in run("default").stdout
    listed = json.loads(run("list", "--json").stdout)
    assert [(voice["name"], voice["default"]) for voice in listed] == [("Änne", False), ("Carl", True)]
    table = run("list").stdout
    assert all(word in table for word in ("Änne", "Carl (default)", "Mum"))
    run("default", "--clear")
    run("replace", "carl", "one.wav")
    assert json.loads(run("show", "Carl", "--json").stdout)["duration_s"] == 1.5
    assert "2 checked, 0 damaged" in run("verify").stdout
    assert "pass --yes" in run("remove", "carl", code=2).stderr
    run("remove", "carl", "--yes")
    run("show", "carl", code=4)
    assert len(json.loads(run("list", "--json").stdout)) == 1


def test_export_and_import(run: Run, tmp_path: Path) -> None:
    run("add", "Anna", "one.wav", "--alias", "Mum", "--consent", "yes")
    run("add", "Bert", "two.wav")
    run("default", "bert")
    run("export", "all.zip")
    run("export", "anna.zip", "anna")
    assert "Exported 1" in run("export", "anna.zip", "anna").stdout
    assert run("import", "all.zip", library="other").stdout.splitlines() == ["added: Anna", "added: Bert"]
    here, there = (json.loads(run("list", "--json", library=name).stdout) for name in ("library", "other"))
    keep = ("name", "aliases", "default", "sha256", "consent", "language", "filename", "media_type", "duration_s")
    assert [[voice[key] for key in keep] for voice in here] == [[voice[key] for key in keep] for voice in there]
    run("import", "all.zip", library="other", code=1)
    run("export", "twice.zip", "bert", "BERT")
    with zipfile.ZipFile(tmp_path / "twice.zip") as archive:
        assert len(archive.namelist()) == 2
    assert "skipped: Anna" in run("import", "all.zip", "--existing", "skip", library="other").stdout
    run("replace", "anna", "two.wav", library="other")
    assert "replaced: Anna" in run("import", "anna.zip", "--existing", "replace", library="other").stdout
    assert json.loads(run("show", "anna", "--json", library="other").stdout)["sha256"] == here[0]["sha256"]


def test_an_import_never_touches_another_voice(run: Run, tmp_path: Path) -> None:
    """«Anna» of the archive is not Bert, who answers to that name; nor are aliases taken from others."""
    run("add", "Anna", "one.wav", "--alias", "Mum", "--consent", "Anna agreed", "--language", "en")
    run("export", "anna.zip")
    run("add", "Bert", "two.wav", "--alias", "Anna", "--consent", "Bert agreed", library="other")
    before = run("show", "bert", "--json", library="other").stdout
    for existing in ("skip", "replace"):
        told = run("import", "anna.zip", "--existing", existing, library="other").stdout
        assert told == "skipped: Anna (it is another name of 'Bert')\n"
    run("import", "anna.zip", library="other", code=1)
    assert run("show", "bert", "--json", library="other").stdout == before
    run("add", "Carl", "two.wav", "--alias", "mum", library="third")
    run("add", "Anna", "two.wav", "--consent", "another", library="third")
    told = run("import", "anna.zip", "--existing", "replace", library="third").stdout
    assert told == "replaced: Anna (without 'Mum', which other voices have)\n"
    anna = json.loads(run("show", "anna", "--json", library="third").stdout)
    assert (anna["sha256"], anna["consent"], anna["language"]) == (hashlib.sha256(ONE).hexdigest(), "Anna agreed", "en")


def test_a_damaged_voice_does_not_hold_up_the_others(run: Run, tmp_path: Path) -> None:
    run("add", "Anna", "one.wav")
    run("add", "Bert", "two.wav")
    clip = next(path for path in (tmp_path / "library").rglob("*.wav") if path.read_bytes() == ONE)
    clip.write_bytes(b"gone")
    done = run("export", "all.zip", code=1)
    assert "Anna" in done.stderr
    assert "Exported 1 voice to" in done.stdout
    assert run("import", "all.zip", library="other").stdout == "added: Bert\n"
    run("export", "nowhere/all.zip", code=2)


def test_names_are_shown_as_they_are_and_ids_whole(run: Run) -> None:
    run("add", "Anna [old]", "one.wav")
    listed = json.loads(run("list", "--json").stdout)
    assert "Anna [old]" in run("list").stdout
    assert listed[0]["id"] in run("list").stdout


@pytest.mark.parametrize(
    "harm", ["not a zip", "no manifest", "another schema", "a clip changed", "a path outside", "a bomb", "odd types"]
)
def test_what_cannot_be_imported_is_refused(run: Run, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "bad.zip"
    entry = {"name": "Anna", "clip": "clips/0.wav", "sha256": hashlib.sha256(ONE).hexdigest()}
    with zipfile.ZipFile(path, "w") as archive:
        if harm == "a bomb":
            archive.writestr("clips/0.wav", bytes(10**8), zipfile.ZIP_BZIP2)
        else:
            archive.writestr("clips/0.wav", TWO if harm == "a clip changed" else ONE)
        if harm == "odd types":
            entry["aliases"] = "abc"
        if harm == "a path outside":
            entry["clip"] = "../../one.wav"
        if harm != "no manifest":
            schema = 9 if harm == "another schema" else 1
            archive.writestr("voices.json", json.dumps({"schema": schema, "voices": [entry]}))
    if harm == "not a zip":
        path.write_bytes(ONE)
    assert "cannot be imported" in run("import", "bad.zip", code=2).stderr
    assert json.loads(run("list", "--json").stdout) == []


def test_verify_finds_damage(run: Run, tmp_path: Path) -> None:
    run("add", "Anna", "one.wav")
    run("add", "Bert", "two.wav")
    clip = next(path for path in (tmp_path / "library").rglob("*.wav") if path.read_bytes() == ONE)
    clip.write_bytes(ONE[:-1] + b"\x55")
    found = json.loads(run("verify", "--json", code=1).stdout)
    assert found["checked"] == 2
    assert [(problem["name"], problem["problem"]) for problem in found["problems"]] == [("Anna", "voice_damaged")]
    assert "Anna" in run("verify", code=1).stdout
    assert "1 checked, 0 damaged" in run("verify", "bert").stdout


def test_a_running_service_sees_it_at_once(run: Run, tmp_path: Path) -> None:
    library = str(tmp_path / "library")
    with (
        running_service(tmp_path, SYNTHESIZER="tone", VOICE_LIBRARY_DIR=library) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        assert client.post("/v1/audio/speech", json={"input": "Hi.", "voice": "anna"}).status_code == 404
        run("add", "Anna", "one.wav")
        spoken = client.post("/v1/audio/speech", json={"input": "Hi.", "voice": "anna"})
        assert spoken.headers["x-voice-name"] == "Anna"
        assert [voice["name"] for voice in client.get("/v1/voices").json()["voices"]] == ["Anna"]
        run("remove", "anna", "--yes")
        assert client.post("/v1/audio/speech", json={"input": "Hi.", "voice": "anna"}).status_code == 404


def test_voices_in_memory_are_out_of_reach(tmp_path: Path) -> None:
    done = run_cli("voices", "list", cwd=tmp_path, VOICE_STORE="memory")
    assert done.returncode == 3
    assert "memory" in done.stderr
