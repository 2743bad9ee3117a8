"""First byte of a streamed answer with espeak-ng at one client, beside what the machine does when nothing speaks.

    hatch run bench:first-byte [--requests 200]

Starts the service as a user does. In turns, request by request, it measures

    health      GET /health: the same client, server and machine without any work; the baseline
    streamed    POST /v1/audio/speech, from the request to the first byte of the body
    whole       the same request to its last byte

and prints medians, and the first two as a ratio.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

import httpx

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it goes home to sleep."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200)
    count = parser.parse_args().requests
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = subprocess.Popen(
        [sys.executable, "-m", "chatterbox_api", "serve"],
        env={**os.environ, "PORT": str(port), "SYNTHESIZER": "espeak", "DRAIN_NOTICE_S": "0", "LOG_LEVEL": "warning"},
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(client)
            measure(client, count)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)


def wait_until_ready(client: httpx.Client) -> None:
    for _ in range(200):
        try:
            client.get("/ready").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the service did not start")


def measure(client: httpx.Client, count: int) -> None:
    health_ms, first_ms, whole_ms = [], [], []
    for number in range(count + 10):
        began = time.perf_counter()
        client.get("/health").raise_for_status()
        health = time.perf_counter() - began
        began = time.perf_counter()
        with client.stream("POST", "/v1/audio/speech", json={"input": SENTENCE}) as answer:
            answer.raise_for_status()
            chunks = answer.iter_raw()
            next(chunks)
            first = time.perf_counter() - began
            size = sum(map(len, chunks))
        whole = time.perf_counter() - began
        assert size > 10_000, "the answer is too small for this sentence"
        if number >= 10:  # the first few warm up
            health_ms.append(health * 1e3)
            first_ms.append(first * 1e3)
            whole_ms.append(whole * 1e3)
    for name, values in (("health", health_ms), ("first byte", first_ms), ("whole", whole_ms)):
        ordered = sorted(values)
        p95 = ordered[int(len(ordered) * 0.95)]
        print(f"{name:12} median {statistics.median(values):7.2f} ms   p95 {p95:7.2f} ms   n={len(values)}")
    ratio = statistics.median(first_ms) / statistics.median(health_ms)
    print(f"first byte is {ratio:.1f} times the idle baseline of the same run")


if __name__ == "__main__":
    main()
