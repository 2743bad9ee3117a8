"""The service as its user starts it: a process, a socket, signals. Runs from wheels as well as from the repository."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import parselmouth
import psutil
import pytest
from support.service import free_port, run_cli, running_service, start_service

from chatterbox_api_core.types import ClipLimits, Pcm
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import level, voice_like, wav

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it goes home."
LONG = "This goes on and on. " * 60


def read(data: bytes) -> Pcm:
    return InProcessClipReader().decode(data, limits=ClipLimits(min_duration_s=0)).pcm


def pitch_hz(pcm: Pcm) -> float:
    sound = parselmouth.Sound(np.asarray(pcm.samples, np.float64), pcm.sample_rate_hz)
    track = sound.to_pitch(pitch_floor=50, pitch_ceiling=600).selected_array["frequency"]
    return float(np.median(track[track > 0]))


def test_speaks_without_any_setting(tmp_path: Path) -> None:
    """mp3 for JSON, wav for the form; both audible, of a length that fits the sentence; a clip sets the voice."""
    with running_service(tmp_path) as service, httpx.Client(base_url=service.url, timeout=30) as client:
        spoken = client.post("/v1/audio/speech", json={"input": SENTENCE})
        assert (spoken.status_code, spoken.headers["content-type"]) == (200, "audio/mpeg")
        assert spoken.headers["x-engine"] == "espeak"
        mp3 = read(spoken.content)
        assert 2.5 < mp3.duration_s < 6
        assert level(mp3.samples) > 0.02
        pitches = []
        for hz in (85, 220):
            files = {"voice_file": ("clip.wav", wav(voice_like(hz, 4)))}
            uploaded = client.post("/audio/speech/upload", data={"input": SENTENCE}, files=files)
            assert (uploaded.status_code, uploaded.headers["content-type"]) == (200, "audio/wav")
            clip = read(uploaded.content)
            assert clip.duration_s == pytest.approx(mp3.duration_s, rel=0.15)
            pitches.append(pitch_hz(clip))
        assert 12 * math.log2(pitches[1] / pitches[0]) >= 4


def test_sigterm_lets_a_stream_finish(tmp_path: Path) -> None:
    """Not ready at once, still listening for the notice, then closed; the stream is whole, and nothing is left."""
    service = start_service(tmp_path, SYNTHESIZER="tone", TONE_PACE="0.05", DRAIN_NOTICE_S="1")
    received: list[bytes] = []
    started = threading.Event()

    def listen() -> None:
        with httpx.stream("POST", f"{service.url}/v1/audio/speech", json={"input": LONG}, timeout=30) as answer:
            for data in answer.iter_raw():
                received.append(data)
                started.set()

    client = threading.Thread(target=listen)
    client.start()
    assert started.wait(10)
    service.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    notice = httpx.get(f"{service.url}/ready")
    assert (notice.status_code, notice.json()["error"]["code"]) == (503, "draining")
    time.sleep(1.2)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/ready")
    assert service.process.poll() is None, "the stream is still open"
    client.join(30)
    assert service.process.wait(10) == 0, service.log.read_text()
    expected_s = len(LONG.strip()) * 0.06
    assert read(b"".join(received)).duration_s == pytest.approx(expected_s, rel=0.05)


def test_a_stream_that_does_not_end_is_cut_off(tmp_path: Path) -> None:
    service = start_service(tmp_path, SYNTHESIZER="tone", TONE_PACE="1", DRAIN_NOTICE_S="0", DRAIN_S="0.5")
    with httpx.stream("POST", f"{service.url}/v1/audio/speech", json={"input": LONG}, timeout=30) as answer:
        chunks = answer.iter_raw()
        next(chunks)
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 4
        with pytest.raises(httpx.TransportError):
            for _ in chunks:
                pass


def test_sigkill_leaves_no_child(tmp_path: Path) -> None:
    service = start_service(tmp_path)
    children = service.children()
    assert len(children) == 6, "four that speak, two that read clips"
    service.process.kill()
    service.process.wait()
    _, alive = psutil.wait_procs(children, timeout=2)
    assert not alive


def test_signals_to_the_whole_group_let_the_children_finish(tmp_path: Path) -> None:
    """As a terminal's Ctrl-C and a service manager send them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        service = start_service(tmp_path, DRAIN_NOTICE_S="0")
        children = service.children()
        os.killpg(service.process.pid, number)
        assert service.process.wait(10) == 0
        assert "Traceback" not in service.log.read_text()
        assert not psutil.wait_procs(children, timeout=2)[1]


def test_killed_engine_processes_are_replaced(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        for child in service.children():
            child.kill()
        answer = httpx.post(f"{service.url}/v1/audio/speech", json={"input": SENTENCE}, timeout=30)
        assert answer.status_code == 200
        assert read(answer.content).duration_s > 2.5


def test_two_services_do_not_share_a_port(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        second = run_cli("serve", cwd=tmp_path, PORT=service.url.rpartition(":")[2])
        assert second.returncode == 3
        assert "cannot listen" in second.stderr
        assert "PORT" in second.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "70000"}, ("PORT", "70000", "65535")),
        ({"SYNTHESIZER": "nobody"}, ("nobody", "espeak", "tone")),
        ({"SYNTHESISER": "tone"}, ("SYNTHESISER", "SYNTHESIZER")),
        ({"ESPEAK_SPEED": "2"}, ("ESPEAK_SPEED",)),
        ({"CHATTERBOX_PORT": "80"}, ("CHATTERBOX_PORT",)),
        ({"VOICE_SAMPLE_PATH": "/nowhere.wav"}, ("VOICE_SAMPLE_PATH", "/nowhere.wav")),
        ({"ENCODERS": "pyav,lame"}, ("lame", "pyav")),
        ({"TONE_PACE": "fast"}, ("TONE_PACE", "fast")),
        ({"HOST": "nowhere.invalid"}, ("HOST", "nowhere.invalid")),
        ({"HOST": "h" * 300}, ("HOST",)),
    ],
)
def test_a_wrong_setting_stops_the_start_and_says_what_to_change(
    tmp_path: Path, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    done = run_cli("serve", cwd=tmp_path, **{"PORT": str(free_port()), **settings})
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_host_may_be_a_name(tmp_path: Path) -> None:
    with running_service(tmp_path, HOST="localhost") as service:
        assert httpx.get(f"{service.url}/health").status_code == 200
        assert "listening on http://localhost:" in service.log.read_text()


def test_the_sample_is_the_default_voice(tmp_path: Path) -> None:
    (tmp_path / "me.wav").write_bytes(wav(voice_like(200, 4)))
    with running_service(tmp_path, VOICE_SAMPLE_PATH="me.wav") as service:
        answer = httpx.post(f"{service.url}/v1/audio/speech", json={"input": SENTENCE}, timeout=30)
        assert answer.headers["x-voice-source"] == "default"
        assert pitch_hz(read(answer.content)) == pytest.approx(200, rel=0.1)


def test_the_console_script_is_installed() -> None:
    script = Path(sys.executable).with_name("chatterbox-api")
    shown = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("chatterbox-api, version ")
