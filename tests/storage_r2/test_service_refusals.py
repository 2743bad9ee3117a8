"""The real service, as a user starts it and asks it, while the bucket refuses, is full, or is another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from storage_r2.test_changed_bucket import fill, objects
from support.r2_service import Answer, clip, command, r2_service, settings_for, stock, until
from support.r2_stores import new_prefix
from support.s3_faults import FaultProxy, Request
from support.s3_servers import S3Server
from support.service import free_port

SAID_S = 10.0
SEEN_S = 15.0


def is_list(request: Request) -> bool:
    return "list-type" in request.target


def is_write(request: Request) -> bool:
    return request.method == "PUT"


def assert_says(answer: Answer, code: str, said: str) -> None:
    assert (answer.code, said in answer.json()["error"]["message"]) == (code, True), answer.body
    assert answer.took_s < SAID_S


def test_an_endpoint_as_the_dashboard_shows_it_is_understood(s3_server: S3Server, tmp_path: Path) -> None:
    """Voices lie where a server with the right address finds them."""
    prefix = new_prefix()
    settings = settings_for(s3_server, prefix=prefix, url=f"{s3_server.url}/{s3_server.bucket}")
    with r2_service(tmp_path / "a", settings) as service:
        assert service.create("anna", 300).status == 201
        assert service.names() == ["anna"]
        assert f"taken off: {s3_server.url}" in service.log
    listed = command("voices", "list", folder=tmp_path, settings=settings_for(s3_server, prefix=prefix))
    assert "anna" in listed.stdout


def test_lists_that_are_refused_stop_the_start_and_the_doctor_says_why(s3_server: S3Server, tmp_path: Path) -> None:
    said = "no right to list the objects of the bucket"
    with FaultProxy(s3_server.url) as proxy:
        settings = settings_for(s3_server, prefix=new_prefix(), url=proxy.url) | {"PORT": f"{free_port()}"}
        proxy.fail("403 AccessDenied", when=is_list)
        started = command("serve", folder=tmp_path, settings=settings)
        examined = command("doctor", folder=tmp_path, settings=settings)
    assert (started.returncode, said in started.stderr) == (3, True), started.stderr
    assert examined.returncode == 1
    assert any(line.startswith("✗ Voices") and said in line for line in examined.stdout.splitlines()), examined.stdout


def test_a_full_bucket_and_one_that_fails_on_writes_are_said_to_be(s3_server: S3Server, tmp_path: Path) -> None:
    prefix = new_prefix()
    stock(s3_server, prefix=prefix, voices={"anna": 300, "bert": 400})
    with FaultProxy(s3_server.url) as proxy:
        settings = settings_for(s3_server, prefix=prefix, url=proxy.url)
        with r2_service(tmp_path / "a", settings) as service:
            proxy.fail("507 XMinioStorageFull", when=is_write)
            for answer in (service.create("carl", 500), service.rename("anna", "anna2"), service.remove("bert")):
                assert answer.status == 500
                assert_says(answer, "storage_full", "(507 XMinioStorageFull)")
            ready = service.get("/ready")
            assert ready.status == 503
            assert_says(ready, "storage_full", "(507 XMinioStorageFull)")
            assert service.speak("anna").hz == 300
            added = command("voices", "add", "carl", "a/clip.wav", folder=_with_clip(tmp_path), settings=settings)
            assert added.returncode != 0
            assert "(507 XMinioStorageFull)" in added.stderr

            proxy.fail("500 InternalError", when=is_write)
            answer = service.create("carl", 500)
            assert answer.status == 503
            assert_says(answer, "storage_error", "fails (500 InternalError)")
            proxy.fail("pass")
            until(lambda: service.get("/ready").status == 200, within_s=SEEN_S)
            assert service.create("carl", 500).status == 201


def _with_clip(folder: Path) -> Path:
    (folder / "a" / "clip.wav").write_bytes(clip(300))
    return folder


def test_an_emptied_bucket_is_noticed_and_begun_anew_by_nobody(s3_server: S3Server, tmp_path: Path) -> None:
    prefix = new_prefix()
    settings = settings_for(s3_server, prefix=prefix)
    with r2_service(tmp_path / "a", settings) as service:
        assert service.create("anna", 300).status == 201
        assert service.speak("anna").hz == 300
        ours = asyncio.run(objects(s3_server, prefix))
        asyncio.run(fill(s3_server, prefix, {}))
        until(lambda: service.get("/ready").status == 503, within_s=SEEN_S)
        assert_says(service.get("/ready"), "storage_bucket_changed", "no library any more")
        assert_says(service.create("bert", 400), "storage_bucket_changed", "no library any more")
        assert service.speak("anna").hz == 300
        assert asyncio.run(objects(s3_server, prefix)) == {}
    with pytest.raises(AssertionError, match="remove the file of the local mirror"):
        with r2_service(tmp_path / "a", settings):
            pass
    asyncio.run(fill(s3_server, prefix, ours))
    with r2_service(tmp_path / "a", settings) as service:
        assert service.names() == ["anna"]
