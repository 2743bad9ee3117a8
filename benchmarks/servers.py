"""The HTTP servers that could carry the service, on the same application in one run.

    hatch run bench:servers [--requests 300]

Each runs the real application with the tone engine in a process of its own. In turns it measures GET /health, the
first byte of a streamed answer, and an upload of ten megabytes, and sends one header of a megabyte.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import httpx

from chatterbox_api_core import Admission, SpeechService, VoiceLibrary, VoiceResolver
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_http_litestar import create_app
from chatterbox_api_testkit.sounds import sine, wav

SERVERS = ("granian", "uvicorn-h11", "uvicorn-httptools")


def serve(name: str, port: int) -> None:
    library = VoiceLibrary(store=MemoryStore(), clip_reader=InProcessClipReader())
    speech = SpeechService(
        engine="tone",
        synthesizer=ToneSynthesizer(),
        encoders=[PyavEncoder()],
        voices=VoiceResolver(library=library, clip_reader=InProcessClipReader()),
        admission=Admission(slots=8, queue=64, wait_s=60),
    )
    app = create_app(speech=speech, voices=library, version="benchmark")
    if name == "granian":
        from granian.constants import Interfaces
        from granian.server.embed import Server

        server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
        asyncio.run(_run(server.serve))
    else:
        import uvicorn

        uvicorn.run(app, host="127.0.0.1", port=port, http=name.partition("-")[2], loop="asyncio", log_level="error")


async def _run(start: Callable[[], Awaitable[None]]) -> None:
    await start()


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--serve", nargs=2, metavar=("NAME", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], int(arguments.serve[1]))
        return
    clip = wav(sine(300, 100, rate_hz=48_000))
    processes, clients = [], {}
    try:
        for name in SERVERS:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            processes.append(subprocess.Popen([sys.executable, __file__, "--serve", name, str(port)]))
            transport = httpx.HTTPTransport(retries=10)
            clients[name] = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, transport=transport)
        time.sleep(3)
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in SERVERS}
        for number in range(arguments.requests + 5):
            for name, client in clients.items():
                once = measure(client, clip if number % 10 == 0 else clip[:200_000])
                if number >= 5 and (number % 10 == 0 or once.pop("upload")):
                    taken[name].append(once)
        base = {key: _median(taken["granian"], key) for key in ("health", "first byte", "upload")}
        for name in SERVERS:
            medians = {key: _median(taken[name], key) for key in base}
            figures = [f"{key} {median:6.2f} ms ({median / base[key]:.2f})" for key, median in medians.items()]
            print(f"{name:18} {'   '.join(figures)}   1 MB header: {huge_header(clients[name])}")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _median(taken: list[dict[str, float]], key: str) -> float:
    return statistics.median(once[key] for once in taken if key in once)


if __name__ == "__main__":
    main()
