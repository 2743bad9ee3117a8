"""Uploads on the real service: many that stall, and what they may cost; and the default voice by its word."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from support.effort import LONG
from support.service import RunningService, run_cli, running_service

from chatterbox_api_testkit.sounds import sine, wav

UPLOADS = 100 if LONG else 50
CLIP = wav(sine(300, 2))
MIB = 2**20


def pss_mib(service: RunningService) -> int:
    """Memory of the service and all of its children, shared pages counted once."""
    total_kib = 0
    for process in (psutil.Process(service.process.pid), *service.children()):
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        total_kib += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total_kib // 1024


def files_in(folder: Path, process: psutil.Process) -> int:
    """How many files of this folder the process has open, with a name or without."""
    count = 0
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += descriptor.readlink().is_relative_to(folder)
    return count


def stalled_upload(port: int, *, sized: bool) -> socket.socket:
    """A connection that has sent 10 MB of a form and sends no more."""
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = b'--x\r\nContent-Disposition: form-data; name="voice_file"; filename="a.wav"\r\n\r\n'
    chunk = os.urandom(MIB)
    framing = b"Content-Length: %d" % (11 * MIB) if sized else b"Transfer-Encoding: chunked"
    start = b"POST /v1/audio/speech/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    start += b"Content-Type: multipart/form-data; boundary=x\r\n"
    client.sendall(start + framing + b"\r\n\r\n")
    for data in (head, *[chunk] * 9):
        client.sendall(data if sized else b"%x\r\n%s\r\n" % (len(data), data))
    return client


def test_stalled_uploads_cost_files_and_not_memory(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    with (
        running_service(tmp_path, SPOOL_DIR=str(folder)) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        process = psutil.Process(service.process.pid)
        before = process.num_fds()
        port = int(service.url.rpartition(":")[2])
        uploads = [stalled_upload(port, sized=number % 3 > 0) for number in range(UPLOADS)]
        assert pss_mib(service) < 300
        assert files_in(folder, process) > UPLOADS // 2
        assert client.post("/v1/audio/speech", json={"input": "Hello."}).status_code == 200
        spoken = client.post("/v1/audio/speech/upload", data={"input": "Hi."}, files={"voice_file": ("a.wav", CLIP)})
        assert (spoken.status_code, spoken.headers["x-voice-source"]) == (200, "upload")
        for upload in uploads:
            upload.close()
        deadline = time.monotonic() + 20
        while process.num_fds() > before + 10 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert process.num_fds() <= before + 10, "connections and files are gone with the clients"
        assert pss_mib(service) < 300


def test_the_default_voice_by_its_word(tmp_path: Path) -> None:
    """On the command line, over HTTP, and in the lists that clients choose from."""
    (tmp_path / "anna.wav").write_bytes(CLIP)
    settings = {"VOICE_LIBRARY_DIR": str(tmp_path / "library"), "SYNTHESIZER": "tone"}

    def run(*arguments: str, fails: bool = False) -> str:
        done = run_cli("voices", *arguments, cwd=tmp_path, **settings)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout + done.stderr

    with running_service(tmp_path, **settings) as service, httpx.Client(base_url=service.url, timeout=30) as client:

        def speak(voice: str) -> httpx.Response:
            files = {"voice_file": ("a.wav", wav(sine(500, 2)))}
            return client.post("/v1/audio/speech/upload", data={"input": "Hi.", "voice": voice}, files=files)

        assert "has no default voice" in run("show", "default", fails=True)
        listed = client.get("/v1/audio/voices").json()["voices"]
        assert [(voice["id"], voice["name"]) for voice in listed] == [("default", "Default")]
        assert client.get("/v1/audio/voices/default").json() == listed[0]
        assert speak("default").headers["x-voice-source"] == "default"
        assert "Use 'de'" in run("add", "Anna", "anna.wav", "--language", "German", fails=True)
        run("add", "Anna", "anna.wav", "--language", "de_at")
        run("default", "Anna.wav")
        assert "de-AT" in run("show", "default")
        for voice in ("default", "Default", listed[0]["name"]):
            spoken = speak(voice)
            assert (spoken.headers["x-voice-source"], spoken.headers["x-voice-name"]) == ("default", "Anna")
        assert speak("Anna.wav").headers["x-voice-source"] == "library"
        assert client.get("/v1/voices/Default").json()["voice"]["filename"] == "Anna.wav"
        assert client.get("/v1/voices/default").json()["default_voice"] == "Anna", "a route of its own"
        assert client.get("/v1/voices/default/download").content == CLIP
        pages = client.get("/v1/audio/voices", params={"limit": 1}).json()["voices"]
        assert [voice["id"] for voice in pages] == ["default"]
        pages = client.get("/v1/audio/voices", params={"limit": 1, "after": "default"}).json()["voices"]
        assert [voice["name"] for voice in pages] == ["Anna"]
        assert client.get("/v1/voices/all-names").json() == {"voice_names": ["default", "Anna"], "count": 2}
        run("remove", "default", "--yes")
        assert speak("Anna").status_code == 404
        assert speak("default").status_code == 200
