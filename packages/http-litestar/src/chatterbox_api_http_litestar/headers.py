"""Headers of responses: the request's id, and the voice and timings of speech."""

from __future__ import annotations

import re
import secrets
from typing import Final
from urllib.parse import quote

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

from chatterbox_api_core.speech import SpeechStream

__all__ = ["EXPOSED", "add_request_id", "of_speech", "request_id"]

EXPOSED: Final = [
    "content-disposition",
    "retry-after",
    "server-timing",
    "x-engine",
    "x-request-id",
    "x-voice-id",
    "x-voice-name",
    "x-voice-source",
]
"""The headers that a script in a browser may read."""

_STATE_KEY = "chatterbox_api.request_id"
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def request_id(scope: Scope) -> str:
    """The id of a request: the client's own `X-Request-Id` where it is short and plain, else a random one."""
    state = scope["state"]
    if _STATE_KEY not in state:
        given = next((value for name, value in scope["headers"] if name.lower() == b"x-request-id"), b"")
        state[_STATE_KEY] = given.decode() if _ACCEPTABLE_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
    known: str = state[_STATE_KEY]
    return known


async def add_request_id(message: Message, scope: Scope) -> None:
    """Add the request's id to a response. Litestar calls it before each message."""
    if message["type"] == "http.response.start":
        MutableScopeHeaders.from_message(message)["x-request-id"] = request_id(scope)


def of_speech(stream: SpeechStream) -> list[tuple[bytes, bytes]]:
    """The headers of a response of speech; they are known once its first bytes are."""
    timings, resolved = stream.timings, stream.voice
    headers = {
        "content-type": stream.audio_format.media_type,
        "content-disposition": f'inline; filename="speech{stream.audio_format.extension}"',
        "cache-control": "no-store",
        "x-engine": stream.engine,
        "x-voice-source": resolved.source,
        "server-timing": (
            f"voice;dur={timings.resolved_s * 1e3:.1f}, "
            f"queue;dur={(timings.admitted_s - timings.resolved_s) * 1e3:.1f}, "
            f"synthesis;dur={(timings.first_audio_s - timings.admitted_s) * 1e3:.1f}"
        ),
    }
    if resolved.voice is not None:
        headers["x-voice-id"] = resolved.voice.id
        headers["x-voice-name"] = quote(resolved.voice.name, safe=" ")
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
