"""Voices for a server: recordings that all differ, added through its API."""

from __future__ import annotations

import uuid
from typing import Final

from benchmarks.serving.http_client import Connection
from benchmarks.serving.server import Server
from chatterbox_api_testkit.sounds import sine, wav

__all__ = ["add_voices"]

_CLIP_S: Final = 5


async def add_voices(server: Server, count: int) -> list[str]:
    """Add voices and return their names. RuntimeError where one is refused."""
    connection = Connection(server.address)
    names = [f"Voice {number}" for number in range(count)]
    for number, name in enumerate(names):
        clip = wav(sine(150.0 + number, _CLIP_S, sample_rate_hz=16_000))
        answer = await connection.send(_upload(server, name, clip), keep_body=True)
        if answer.status != 201:
            raise RuntimeError(f"{name} was refused: {bytes(answer.kept[:500])!r}")
    connection.close()
    return names


def _upload(server: Server, name: str, clip: bytes) -> bytes:
    boundary = uuid.uuid4().hex
    body = (
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="voice_name"\r\n\r\n{name}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="voice_file"; filename="clip.wav"\r\n'
            "Content-Type: audio/wav\r\n\r\n"
        ).encode()
        + clip
        + f"\r\n--{boundary}--\r\n".encode()
    )
    address = server.address
    lines = [
        f"POST {address.prefix}/voices HTTP/1.1",
        f"Host: {address.host}:{address.port}",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
