"""Voices go from the disk into a bucket and back, by the command, as the guide to R2 says."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

from support.s3_servers import moto
from support.service import run_cli

from chatterbox_api_testkit.sounds import sine, wav

KEPT = ("name", "aliases", "default", "sha256", "consent", "language", "filename", "media_type", "duration_s")


def test_from_the_disk_into_a_bucket_and_back(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.wav").write_bytes(wav(sine(300 * number, 1.5)))
    with moto() as server:
        r2 = {
            "R2_ENDPOINT": server.url,
            "R2_BUCKET_NAME": server.bucket,
            "R2_ACCESS_KEY_ID": server.access_key_id,
            "R2_SECRET_ACCESS_KEY": server.secret_access_key,
        }

        def run(*arguments: str, code: int = 0, settings: dict[str, str] = {}) -> CompletedProcess[str]:  # noqa: B006
            done = run_cli("voices", *arguments, cwd=tmp_path, **(r2 | settings))
            assert done.returncode == code, done.stdout + done.stderr
            return done

        def listed(settings: dict[str, str]) -> list[list[object]]:
            found = json.loads(run("list", "--json", settings=settings).stdout)
            return [[voice[key] for key in KEPT] for voice in found]

        disk, back = {"VOICE_STORE": "local"}, {"VOICE_STORE": "local", "VOICE_LIBRARY_DIR": str(tmp_path / "back")}
        run("add", "Anna", "1.wav", "--alias", "Mum", "--language", "en", "--consent", "yes", settings=disk)
        run("add", "Bert", "2.wav", settings=disk)
        run("default", "bert", settings=disk)
        assert listed({}) == []
        assert "1 copied" in run("copy", "--from", "local", "--to", "r2", "anna").stdout
        assert "1 copied, 1 there already" in run("copy", "--from", "local", "--to", "r2").stdout
        assert listed({}) == listed(disk)
        assert "2 checked, 0 damaged" in run("verify").stdout
        run("replace", "mum", "2.wav", settings=disk)
        assert "1 in conflict" in run("copy", "--from", "local", "--to", "r2", code=1).stdout
        assert "1 replaced" in run("copy", "--from", "local", "--to", "r2", "--replace").stdout
        assert "2 copied" in run("copy", "--from", "r2", "--to", "local", settings=back).stdout
        assert listed(back) == listed(disk)
    away = run_cli("voices", "copy", "--from", "local", "--to", "r2", cwd=tmp_path, **r2)
    assert away.returncode == 5
    assert "cannot be reached" in away.stderr
