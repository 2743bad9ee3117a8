"""Where clips are decoded: a few at a time, each once, and the sound of the last ones kept."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from chatterbox_api_core.aio import LruCache, SingleFlight
from chatterbox_api_core.ports import ClipReader
from chatterbox_api_core.types import Clip, ClipLimits, Pcm

__all__ = ["ClipDecoder", "sha256_of"]

_MAX_CONCURRENCY: Final = 2
"""Uploads leave the processor to those who speak."""


class ClipDecoder:
    """Decodes clips for everyone who shares a library. Used on one event loop.

    Args:
        clip_reader: does the decoding.
        limits: what a clip may be.
        kept_bytes: how much decoded sound is kept, beyond what running requests hold. An uploaded clip is decoded to
            be refused early, and again when its turn comes: the second time its sound is at hand.
        max_concurrency: how many clips are decoded at once; the others wait in the order they came.
    """

    def __init__(
        self,
        clip_reader: ClipReader,
        *,
        limits: ClipLimits | None = None,
        kept_bytes: int = 32 * 2**20,
        max_concurrency: int = _MAX_CONCURRENCY,
    ) -> None:
        self.limits = limits or ClipLimits()
        self._clip_reader = clip_reader
        self._slots = asyncio.Semaphore(max_concurrency)
        self._kept: LruCache[str, Pcm] = LruCache(kept_bytes, size_of=lambda pcm: pcm.samples.nbytes)
        self._decoding = SingleFlight[str, Pcm](on_result=self._kept.__setitem__, cancel_unused=True)

    async def read(self, data: bytes) -> Clip:
        """Decode a clip and measure it. Its sound is not kept: a clip that is stored need not be spoken soon.

        Raises:
            InvalidAudio: the clip cannot serve.
            Overloaded, DeadlineExceeded, Unavailable: as the clip reader says.
        """
        async with self._slots:
            return await self._clip_reader.read(data, limits=self.limits)

    async def decode(self, data: bytes, *, sha256: str) -> Pcm:
        """The sound of the clip that has this hash, from memory or by the reader. Raises what `read` raises."""
        if (kept := self._kept.get(sha256)) is not None:
            return kept

        async def read() -> Pcm:
            return (await self.read(data)).pcm

        return await self._decoding.run(sha256, read)


async def sha256_of(data: bytes) -> str:
    """The SHA-256 of a clip in lower-case hex, computed in a thread."""
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
