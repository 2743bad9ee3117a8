"""The HTTP servers that could carry the service, on the same application in one run.

    hatch run bench:servers [--requests 300]

Each runs the real application with the tone engine in a process of its own: our protocol on uvicorn's, uvicorn as it
is, and granian with HTTP/1 alone and room for as many connections. In turns it measures GET /health, the first byte of
a streamed answer, and an upload of ten megabytes. Then come the failure cases: a header of a megabyte, a damaged chunk,
300 connections that send half a request, and how long a stop takes while they are open (at most 20 s are waited for).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

import httpx

from chatterbox_api.connection_limits import ConnectionLimits
from chatterbox_api.server import Drain, hold_port, stop_signals
from chatterbox_api.server import serve as serve_until_signal
from chatterbox_api_core import RequestQueue, SpeechService, VoiceLibrary, VoiceResolver
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_http_litestar import create_app
from chatterbox_api_testkit.sounds import sine, wav

SERVERS = ("ours", "uvicorn-h11", "uvicorn-httptools", "granian")
HEAD = b"POST /v1/audio/speech HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def serve(name: str, port: int) -> None:
    library = VoiceLibrary(store=MemoryStore(), clip_reader=InProcessClipReader())
    speech = SpeechService(
        engine="tone",
        synthesizer=ToneSynthesizer(),
        encoders=[PyavEncoder()],
        voices=VoiceResolver(library),
        queue=RequestQueue(slots=8, max_waiting=64, wait_s=60),
    )
    app = create_app(speech=speech, voices=library, version="benchmark")
    if name == "ours":
        asyncio.run(_ours(app, port))
    elif name == "granian":
        asyncio.run(_granian(app, port))
    else:
        import uvicorn

        uvicorn.run(app, host="127.0.0.1", port=port, http=name.partition("-")[2], loop="asyncio", log_level="critical")


async def _ours(app: Any, port: int) -> None:
    drain, limits = Drain(0, 30), ConnectionLimits()
    with hold_port("127.0.0.1", port) as sock, stop_signals() as signals:
        await serve_until_signal(app, sock, drain=drain, signals=signals, limits=limits, on_listening=lambda: None)


async def _granian(app: Any, port: int) -> None:
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        backpressure=2048,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


def measure(client: httpx.Client, clip: bytes) -> dict[str, float]:
    taken = {}
    began = time.perf_counter()
    client.get("/health").raise_for_status()
    taken["health"] = time.perf_counter() - began
    began = time.perf_counter()
    with client.stream("POST", "/v1/audio/speech", json={"input": "Hello there."}) as answer:
        next(answer.iter_raw())
        taken["first byte"] = time.perf_counter() - began
    began = time.perf_counter()
    client.post("/audio/speech/upload", data={"input": "Hi."}, files={"voice_file": clip}).raise_for_status()
    taken["upload"] = time.perf_counter() - began
    return {name: seconds * 1e3 for name, seconds in taken.items()}


def huge_header(client: httpx.Client) -> str:
    try:
        return str(client.get("/health", headers={"x-big": "a" * 1_000_000}).status_code)
    except httpx.TransportError as error:
        return type(error).__name__


def damaged_chunk(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
        return raw.recv(100).partition(b" ")[2][:3].decode() or "closed"


def half_requests(client: httpx.Client, port: int, process: subprocess.Popen[bytes]) -> str:
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            raw.sendall(HEAD)
        began = time.perf_counter()
        client.get("/health").raise_for_status()
        served_s = time.perf_counter() - began
        process.terminate()
        began = time.perf_counter()
        try:
            ended = f"exit {process.wait(20)} after {time.perf_counter() - began:.1f} s"
        except subprocess.TimeoutExpired:
            ended = "no exit in 20 s"
        return f"served in {served_s:.2f} s, {ended}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--serve", nargs=2, metavar=("NAME", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], int(arguments.serve[1]))
        return
    clip = wav(sine(300, 100, sample_rate_hz=48_000))
    processes: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
    clients = {}
    try:
        for name in SERVERS:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            processes[name] = subprocess.Popen([sys.executable, __file__, "--serve", name, str(port)]), port
            transport = httpx.HTTPTransport(retries=10)
            clients[name] = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, transport=transport)
        time.sleep(3)
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in SERVERS}
        for number in range(arguments.requests + 5):
            for name, client in clients.items():
                once = measure(client, clip if number % 10 == 0 else clip[:200_000])
                if number >= 5 and (number % 10 == 0 or once.pop("upload")):
                    taken[name].append(once)
        base = {key: _median(taken["ours"], key) for key in ("health", "first byte", "upload")}
        for name in SERVERS:
            medians = {key: _median(taken[name], key) for key in base}
            figures = [f"{key} {median:6.2f} ms ({median / base[key]:.2f})" for key, median in medians.items()]
            process, port = processes[name]
            print(f"{name:18} {'   '.join(figures)}")
            print(f"{'':18} 1 MB header: {huge_header(clients[name])}   damaged chunk: {damaged_chunk(port)}")
            print(f"{'':18} 300 half requests: {half_requests(clients[name], port, process)}", flush=True)
    finally:
        for process, _ in processes.values():
            process.kill()
            process.wait()


def _median(taken: list[dict[str, float]], key: str) -> float:
    return statistics.median(once[key] for once in taken if key in once)


if __name__ == "__main__":
    main()
