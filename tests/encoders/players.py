"""What people hear with: Python's `wave`, soundfile, `ffmpeg` and Chromium, each as a function of a body's bytes."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from chatterbox_api_core.types import AudioFormat

__all__ = ["PLAYERS", "Body", "Heard", "chromium_path", "in_chromium", "in_ffmpeg", "in_soundfile", "in_wave"]

_PAGE: Final = Path(__file__).with_name("player.html")
_DEADLINE_S: Final = 120.0


@dataclass(frozen=True)
class Body:
    """What a server would send.

    Attributes:
        complete: made with its length known, so sent with it; otherwise sent as a stream.
    """

    audio_format: AudioFormat
    complete: bool
    data: bytes

    @property
    def name(self) -> str:
        return f"{self.audio_format.name}-{'complete' if self.complete else 'streamed'}"


@dataclass(frozen=True)
class Heard:
    """What a player made of a body, or why it would not play it.

    Attributes:
        refusal: empty where it was played.
        samples: of one channel, as many as came out.
        sample_rate_hz: theirs.
        hz: of the tone that they are.
        promised_s: the length that the player told before it had played; None where it told none.
        told_s: the length that it told when it was at the end.
        played_s: where the player's clock stood then, of those that have one.
        known: whether it says that it can play what has the body's media type, of those that go by it.
    """

    refusal: str = ""
    samples: int = 0
    sample_rate_hz: int = 0
    hz: float = 0.0
    promised_s: float | None = None
    told_s: float | None = None
    played_s: float | None = None
    known: bool | None = None


def in_wave(body: Body, folder: Path) -> Heard:
    """Python's standard library."""
    try:
        with wave.open(BytesIO(body.data)) as file:
            promised, width, sample_rate_hz = file.getnframes(), file.getsampwidth(), file.getframerate()
            data = np.frombuffer(file.readframes(promised), np.uint8)
    except (wave.Error, EOFError) as error:
        return Heard(str(error) or type(error).__name__)
    # The highest byte of a little-endian sample is enough to hear a tone in.
    high = data.reshape(-1, width)[:, -1].astype(np.int8)
    return Heard("", len(high), sample_rate_hz, _frequency_hz(high, sample_rate_hz), promised / sample_rate_hz)


def in_soundfile(body: Body, folder: Path) -> Heard:
    """libsndfile, which scientific tools read with."""
    try:
        with soundfile.SoundFile(BytesIO(body.data)) as file:
            samples, promised = file.read(), file.frames
            return Heard(
                "", len(samples), file.samplerate, _frequency_hz(samples, file.samplerate), promised / file.samplerate
            )
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        return Heard(str(error))


def in_ffmpeg(body: Body, folder: Path, *, told: tuple[str, ...] = ()) -> Heard:
    """The `ffmpeg` of this machine on a file with the format's extension; `told` are options before its name."""
    file = folder / f"{body.name}{body.audio_format.extension}"
    file.write_bytes(body.data)
    command = ["ffmpeg", "-hide_banner", "-nostdin", *told, "-i", str(file), "-f", "s16le", "-"]
    done = subprocess.run(command, capture_output=True, timeout=_DEADLINE_S, check=False)
    log = done.stderr.decode(errors="replace")
    if done.returncode:
        return Heard(log.strip().splitlines()[-1])
    said = log.split("Duration:")[1].split(",")[0].strip()
    sample_rate_hz = int(log.split("Output #0")[1].split(" Hz")[0].split()[-1])
    samples = np.frombuffer(done.stdout, np.int16)
    return Heard(
        "",
        len(samples),
        sample_rate_hz,
        _frequency_hz(samples, sample_rate_hz),
        None if said == "N/A" else _seconds(said),
    )


def chromium_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def in_chromium(bodies: Mapping[str, Body], folder: Path) -> dict[str, Heard]:
    """All bodies in one headless browser, from a server that labels each with its format's media type."""
    path = chromium_path()
    assert path, "the caller has looked"
    with _page(bodies) as (url, reports):
        with _browser(path, url, folder):
            try:
                found = json.loads(reports.get(timeout=_DEADLINE_S))
            except queue.Empty:
                raise AssertionError(
                    f"Chromium has not reported in {_DEADLINE_S:.0f} s: {(folder / 'log').read_text()[-2000:]}"
                ) from None
    return {name: Heard(**each) for name, each in found.items()}


@contextmanager
def _page(bodies: Mapping[str, Body]) -> Iterator[tuple[str, queue.Queue[bytes]]]:
    """A server on loopback: the page, the list of bodies, each body; and what the page reports."""
    reports: queue.Queue[bytes] = queue.Queue()
    names = json.dumps(sorted(bodies)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            if name in bodies:
                self._send(bodies[name].audio_format.media_type, bodies[name].data, complete=bodies[name].complete)
            elif name in ("", "names"):
                page = ("application/json", names) if name else ("text/html; charset=utf-8", _PAGE.read_bytes())
                self._send(*page)
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            reports.put(self.rfile.read(int(self.headers["Content-Length"])))
            self._send("text/plain", b"thanks")

        def _send(self, media_type: str, data: bytes, *, complete: bool = True) -> None:
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("X-Content-Type-Options", "nosniff")
            if complete:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            step = len(data) if complete else len(data) // 8 + 1
            for begin in range(0, len(data), step):
                self.wfile.write(data[begin : begin + step])
                time.sleep(0 if complete else 0.02)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A browser may hang up on what it does not care for."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", reports
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _browser(path: str, url: str, folder: Path) -> Iterator[None]:
    """Chromium with a profile, a log and a session of its own, ended with all its children."""
    flags = ["--no-sandbox", "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--mute-audio", "--autoplay-policy=no-user-gesture-required", "--disable-background-networking"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [path, *flags, f"--user-data-dir={folder / 'profile'}", url],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _frequency_hz(samples: np.ndarray[Any, Any], sample_rate_hz: int) -> float:
    """Of a tone: its rising zero crossings, without an eighth at each end."""
    inner = samples[len(samples) // 8 : len(samples) - len(samples) // 8]
    crossings = np.flatnonzero((inner[:-1] < 0) & (inner[1:] >= 0))
    return float((len(crossings) - 1) * sample_rate_hz / (crossings[-1] - crossings[0])) if len(crossings) > 1 else 0.0


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


PLAYERS: Final[Mapping[str, Callable[[Body, Path], Heard]]] = {
    "wave": in_wave,
    "soundfile": in_soundfile,
    "ffmpeg": in_ffmpeg,
}
