"""The HTTP application on a real server and a real socket, in the test's own event loop."""

from __future__ import annotations

import gc
import time
from asyncio import events
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from chatterbox_api.connection_limits import ConnectionLimits
from chatterbox_api.server import hold_port, listening
from chatterbox_api_core.ports import Encoder, Synthesizer, VoiceStore
from chatterbox_api_core.reference import MemoryStore
from chatterbox_api_core.speech import SpeechLimits, SpeechService
from chatterbox_api_core.speech.request_queue import RequestQueue
from chatterbox_api_core.speech.spool import SpoolBudget
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_core.voices.voice_resolver import VoiceResolver
from chatterbox_api_core.watermarks import Watermarks
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_http_litestar import HttpLimits, create_app

__all__ = ["CpuMonitor", "cpu_monitor", "library_of", "serving", "speech_service"]


def speech_service(
    synthesizer: Synthesizer,
    *,
    store: VoiceStore | None = None,
    encoders: Sequence[Encoder] = (),
    slots: int | None = None,
    queue: int = 64,
    wait_s: float = 30.0,
    limits: SpeechLimits | None = None,
    spool_budget: SpoolBudget | None = None,
    sample: bytes | None = None,
) -> SpeechService:
    return SpeechService(
        engine="test",
        synthesizer=synthesizer,
        encoders=encoders or [PyavEncoder()],
        voices=VoiceResolver(library_of(store), sample=sample),
        queue=RequestQueue(slots=slots or synthesizer.capabilities.max_concurrency, max_waiting=queue, wait_s=wait_s),
        limits=limits,
        spool_budget=spool_budget,
    )


def library_of(store: VoiceStore | None = None) -> VoiceLibrary:
    return VoiceLibrary(store=store or MemoryStore(), clip_reader=InProcessClipReader())


@asynccontextmanager
async def serving(
    speech: SpeechService,
    *,
    store: VoiceStore | None = None,
    limits: HttpLimits | None = None,
    watermarks: Watermarks | None = None,
    connections: ConnectionLimits | None = None,
) -> AsyncGenerator[str, None]:
    """The address of a server that runs for the length of the block."""
    voices = library_of(store)
    app = create_app(speech=speech, voices=voices, watermarks=watermarks, version="test", limits=limits)
    with hold_port("127.0.0.1", 0) as sock:
        async with listening(app, sock, limits=connections):
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"


@dataclass
class CpuMonitor:
    """CPU time of this thread in each callback of the event loop, in seconds."""

    longest_s: float = 0.0
    callbacks: int = 0
    culprits: list[tuple[float, str]] = field(default_factory=list)


@contextmanager
def cpu_monitor() -> Generator[CpuMonitor, None, None]:
    monitor = CpuMonitor()
    original = events.Handle._run  # noqa: SLF001 — asyncio has no other place to look on

    def timed(handle: events.Handle) -> None:
        before = time.thread_time()
        try:
            original(handle)
        finally:
            spent = time.thread_time() - before
            monitor.callbacks += 1
            monitor.longest_s = max(monitor.longest_s, spent)
            if spent > 0.01:
                monitor.culprits.append((spent, repr(handle)))

    # What other tests left behind must not be collected, and counted, in the middle of this one.
    gc.collect()
    gc.freeze()
    events.Handle._run = timed  # type: ignore[assignment, method-assign]  # noqa: SLF001
    try:
        yield monitor
    finally:
        gc.unfreeze()
        events.Handle._run = original  # type: ignore[method-assign]  # noqa: SLF001
