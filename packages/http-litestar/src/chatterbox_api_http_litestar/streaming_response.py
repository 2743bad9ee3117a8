"""`SpeechResponse`: the ASGI response that streams speech.

Nothing is sent before the first bytes of audio exist, so that every early failure has a status of its own. A later
failure aborts the connection: the body stays unterminated, and no client can take half a sentence for a whole one.
Beside the work, a task watches for the client's disconnection, in the queue and mid-stream, and ends the work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from litestar.types import Receive, Scope, Send

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_core.speech import SpeechStream
from chatterbox_api_http_litestar import headers
from chatterbox_api_http_litestar.bounded_send import ResponseUnreadError, send_within
from chatterbox_api_http_litestar.limits import HttpLimits

__all__ = ["SpeechResponse"]

_log: Final = logging.getLogger(__name__)


class SpeechResponse:
    """An ASGI application for one request.

    Args:
        limits: for how long a client may leave its response unread.

    Attributes:
        stream: what is sent; the response enters and closes it.
    """

    def __init__(self, stream: SpeechStream, *, limits: HttpLimits) -> None:
        self.stream, self._limits = stream, limits
        self._sent_bytes = 0
        self._sending_s = 0.0
        self._started = self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond.

        Raises:
            ChatterboxError: what the stream raises; before the first bytes it becomes a response of its own.
            ResponseUnreadError: the client has not read for too long.
        """
        disconnected = asyncio.create_task(_wait_for_disconnect(receive))
        work = asyncio.create_task(self._send_speech(send, disconnected))
        try:
            await asyncio.wait((work, disconnected), return_when=asyncio.FIRST_COMPLETED)
            if self._ended:  # a server calls an answered request disconnected too, while the stream is still closing
                await asyncio.wait((work,))
            if work.done():
                work.result()
        except Exception as error:
            self._log_failure(scope, error)
            raise
        else:
            self._log_end(scope, "done" if self._ended else "client disconnected")
        finally:
            for task in (work, disconnected):
                task.cancel()
            await asyncio.gather(work, disconnected, return_exceptions=True)

    async def _send_speech(self, send: Send, disconnected: asyncio.Task[None]) -> None:
        async with self.stream as stream:
            size = None if stream.streaming else await stream.size_bytes()
            async for data in stream:
                if not self._started:
                    await self._send_start(send, [] if size is None else [(b"content-length", str(size).encode())])
                # A client that has all it was promised may leave before a last, empty part is sent.
                more = self._sent_bytes + len(data) != size
                await self._send_part(send, data, more=more)
                self._ended = not more and not disconnected.done()
        if size is None:
            await self._send_part(send, b"", more=False)
            self._ended = not disconnected.done()

    async def _send_start(self, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        await send({"type": "http.response.start", "status": 200, "headers": [*headers.of_speech(self.stream), *extra]})

    async def _send_part(self, send: Send, data: bytes, *, more: bool) -> None:
        started_s = time.monotonic()
        stall_s, factor = self._limits.send_stall_s, self._limits.send_factor
        left_s = stall_s + factor * self.stream.timings.output_s - self._sending_s
        await send_within(send, {"type": "http.response.body", "body": data, "more_body": more}, min(stall_s, left_s))
        self._sending_s += time.monotonic() - started_s
        self._sent_bytes += len(data)

    def _log_failure(self, scope: Scope, error: Exception) -> None:
        """Log once. An unexpected error has its traceback, unless the error's response logs it."""
        if isinstance(error, (ChatterboxError, ResponseUnreadError)):
            code = error.code if isinstance(error, ChatterboxError) else "answer_unread"
            _log.info("%s speech failed: %s", headers.request_id(scope), code)
        elif self._started:
            _log.error("%s speech failed unexpectedly", headers.request_id(scope), exc_info=error)

    def _log_end(self, scope: Scope, outcome: str) -> None:
        stream = self.stream
        timings = stream.timings
        _log.info(
            "%s speech %s: format=%s voice=%s audio=%.2fs bytes=%d first_audio=%.0fms total=%.0fms",
            headers.request_id(scope),
            outcome,
            stream.audio_format.name,
            _voice_label(stream),
            timings.audio_s,
            self._sent_bytes,
            timings.first_audio_s * 1e3,
            timings.now() * 1e3,
        )


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _voice_label(stream: SpeechStream) -> str:
    if not stream.segments:  # the client left before a voice was found
        return "?"
    resolved = stream.voice
    return f"{resolved.source}:{resolved.voice.id}" if resolved.voice else resolved.source
