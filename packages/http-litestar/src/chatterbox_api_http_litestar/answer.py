"""The ASGI answer that speaks.

Nothing is sent before the first bytes are there, so that every early failure is a status of its own. A later one
aborts the connection: its body stays unterminated, and no client can take half a sentence for a whole one. Beside
the work someone listens for the client's going away, queued or mid-stream, and ends the work.
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
from chatterbox_api_http_litestar.limits import HttpLimits
from chatterbox_api_http_litestar.sending import AnswerUnreadError, send_in_time

__all__ = ["SpeechAnswer"]

_log: Final = logging.getLogger(__name__)


class SpeechAnswer:
    """An ASGI application for one request.

    Args:
        limits: for how long a client may leave its answer unread.

    Attributes:
        stream: what is sent; entered by the answer.
    """

    def __init__(self, stream: SpeechStream, *, limits: HttpLimits) -> None:
        self.stream, self._limits = stream, limits
        self._sending_s = 0.0
        self._sent_bytes = 0
        self._started = self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_disconnected(receive))
        work = asyncio.create_task(self._speak(send, gone))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if self._ended:  # a server calls an answered request disconnected too, while the stream is still closed
                await asyncio.wait((work,))
            if work.done():
                work.result()
        except Exception as error:
            self._report_failure(scope, error)
            raise
        else:
            self._report(scope, "done" if self._ended else "client went away")
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _speak(self, send: Send, gone: asyncio.Task[None]) -> None:
        async with self.stream as stream:
            size = await stream.size_bytes() if not stream.streaming else None
            async for data in stream:
                if not self._started:
                    await self._start(send, [] if size is None else [(b"content-length", str(size).encode())])
                # A client that has all it was promised may leave before a last, empty part is sent.
                more = self._sent_bytes + len(data) != size
                await self._body(send, data, more=more)
                self._ended = not more and not gone.done()
        if size is None:
            await self._body(send, b"", more=False)
            self._ended = not gone.done()

    async def _start(self, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        self._started = True
        await send({"type": "http.response.start", "status": 200, "headers": [*headers.of_speech(self.stream), *extra]})

    async def _body(self, send: Send, data: bytes, *, more: bool) -> None:
        began_s = time.monotonic()
        stall_s, factor = self._limits.send_stall_s, self._limits.send_factor
        left_s = stall_s + factor * self.stream.timings.output_s - self._sending_s
        await send_in_time(send, {"type": "http.response.body", "body": data, "more_body": more}, min(stall_s, left_s))
        self._sending_s += time.monotonic() - began_s
        self._sent_bytes += len(data)

    def _report_failure(self, scope: Scope, error: Exception) -> None:
        """One record; of what nobody expects, with its traceback, unless the answer to it will say so."""
        if isinstance(error, (ChatterboxError, AnswerUnreadError)):
            code = error.code if isinstance(error, ChatterboxError) else "answer_unread"
            _log.info("%s speech failed: %s", headers.request_id(scope), code)
        elif self._started:
            _log.error("%s speech failed unexpectedly", headers.request_id(scope), exc_info=error)

    def _report(self, scope: Scope, outcome: str) -> None:
        stream = self.stream
        timings = stream.timings
        _log.info(
            "%s speech %s: format=%s voice=%s audio=%.2fs bytes=%d first_audio=%.0fms total=%.0fms",
            headers.request_id(scope),
            outcome,
            stream.audio_format.name,
            _who(stream),
            timings.audio_s,
            self._sent_bytes,
            timings.first_audio_s * 1e3,
            timings.now() * 1e3,
        )


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _who(stream: SpeechStream) -> str:
    if not stream.segments:  # the client left before a voice was found
        return "?"
    resolved = stream.voice
    return f"{resolved.source}:{resolved.voice.id}" if resolved.voice else resolved.source
