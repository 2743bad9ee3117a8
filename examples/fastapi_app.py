"""Chatterbox API's core inside a FastAPI application.

    pip install fastapi uvicorn
    uvicorn fastapi_app:app
    curl -X PUT --data-binary @me.wav http://127.0.0.1:8000/voices/anna
    curl --json '{"text": "Hello!", "voice": "anna"}' http://127.0.0.1:8000/speech -o hello.wav

SYNTHESIZER, ENCODER and VOICE_STORE name other adapters than core's own, such as espeak, pyav and local.
"""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from chatterbox_api_core import (
    ChatterboxError,
    RequestQueue,
    SpeechRequest,
    SpeechService,
    SpeechStream,
    VoiceLibrary,
    VoiceResolver,
)
from chatterbox_api_core.errors import InvalidInput, NameTaken, NotFound, Unavailable
from chatterbox_api_core.plugins import CLIP_READERS, ENCODERS, SYNTHESIZERS, VOICE_STORES, load
from chatterbox_api_core.types import ClipLimits

MAX_CLIP_BYTES = ClipLimits().max_bytes


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """Open the adapters for as long as the application runs; they close in reverse order, whatever ends it."""
    async with AsyncExitStack() as stack:

        async def adapter(group: str, name: str) -> Any:
            return await stack.enter_async_context(load(group, name).open(os.environ))

        engine, codec = os.environ.get("SYNTHESIZER", "tone"), os.environ.get("ENCODER", "wav")
        clip_reader = await adapter(CLIP_READERS, codec)
        store = await adapter(VOICE_STORES, os.environ.get("VOICE_STORE", "memory"))
        synthesizer = await adapter(SYNTHESIZERS, engine)
        app.state.voices = VoiceLibrary(store=store, clip_reader=clip_reader)
        app.state.speech = SpeechService(
            engine=engine,
            synthesizer=synthesizer,
            encoders=[await adapter(ENCODERS, codec)],
            voices=VoiceResolver(app.state.voices),
            queue=RequestQueue(slots=synthesizer.capabilities.max_concurrency, max_waiting=16, wait_s=30),
        )
        yield


app = FastAPI(title="Speech", lifespan=lifespan)


class SpeechBody(BaseModel):
    text: str
    voice: str | None = None
    format: str = "wav"


class SpeechResponse(StreamingResponse):
    """A stream that answers once its first bytes are there, so that every early failure is a status of its own.

    The stream is entered here, and left however the answer ends: a client that goes away mid-stream stops the engine.
    """

    def __init__(self, stream: SpeechStream) -> None:
        super().__init__(stream, media_type=stream.audio_format.media_type)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stream as stream:
            data = aiter(stream)
            self.body_iterator = _with_first(await anext(data, b""), data)
            self.headers["x-voice-source"] = stream.voice.source
            await super().__call__(scope, receive, send)


async def _with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for data in rest:
        yield data


@app.post("/speech", response_class=StreamingResponse)
async def speak(body: SpeechBody) -> SpeechResponse:
    """Speak: sound leaves as it is made."""
    speech: SpeechService = app.state.speech
    return SpeechResponse(
        speech.stream(SpeechRequest(body.text, voice=body.voice, audio_format=body.format, streaming=True))
    )


@app.put("/voices/{name}", status_code=201)
async def add_voice(name: str, request: Request) -> dict[str, str | float]:
    """Take a voice in: the body is the clip."""
    voices: VoiceLibrary = app.state.voices
    voice, report = await voices.create(name, await _clip(request))
    return {"id": voice.id, "name": voice.name, "duration_s": report.duration_s}


async def _clip(request: Request) -> bytes:
    """The body, refused as soon as it is longer than a clip may be."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_CLIP_BYTES:
            raise HTTPException(413, f"A clip has at most {MAX_CLIP_BYTES:,} bytes.")
    return bytes(data)


@app.exception_handler(ChatterboxError)
async def on_error(request: Request, error: ChatterboxError) -> JSONResponse:
    """One table from core's errors to statuses."""
    table = {InvalidInput: 400, NotFound: 404, NameTaken: 409, Unavailable: 503}
    status = next((table[cls] for cls in type(error).__mro__ if cls in table), 500)
    headers = {"retry-after": str(math.ceil(error.retry_after_s))} if isinstance(error, Unavailable) else {}
    body = {"code": error.code, "message": str(error), "field": error.field}
    return JSONResponse(body, status_code=status, headers=headers)
