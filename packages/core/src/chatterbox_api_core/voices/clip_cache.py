"""Clips in memory, by the SHA-256 of their bytes: what is found can never be stale.

The mapping decides where clips are kept, how many bytes, and for how long without access. `ClipCache` adds what a
mapping cannot do: concurrent misses share one fetch, a failure is not kept, and a clip that is dropped while it loads
stays dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping

from chatterbox_api_core.aio import SingleFlight
from chatterbox_api_core.errors import ChatterboxError

__all__ = ["ClipCache"]


class ClipCache:
    """A cache over any mapping. Used on one event loop.

        clips = ClipCache(LruCache(256 * 2**20, size_of=len))

    Args:
        clips: keeps what it can, and may forget anything at any time. A value that it refuses with ValueError, because
            it is too large, is served and not kept.

    Attributes:
        hits, misses: how often a clip was at hand, and how often it was fetched or waited for.
    """

    def __init__(self, clips: MutableMapping[str, bytes]) -> None:
        self.hits = self.misses = 0
        self._clips = clips
        self._loading = SingleFlight[str, bytes](on_result=self.put)

    async def get(self, key: str, fetch: Callable[[], Awaitable[bytes]]) -> bytes:
        """The clip at hand, else what `fetch` returns, called once however many wait.

        Where one caller's fetch fails, those who waited with it fetch once more, on their own account: two voices may
        have the same clip, and only one of them be removed or damaged.

        Raises:
            Exception: what `fetch` raises; nothing is kept then.
        """
        try:
            data = self._clips[key]
        except KeyError:
            self.misses += 1
        else:
            self.hits += 1
            return data
        if key in self._loading:
            try:
                return await self._loading.run(key, fetch)
            except ChatterboxError:
                pass  # of another voice: this one may have the same bytes in a place of its own
        return await self._loading.run(key, fetch)

    def put(self, key: str, data: bytes) -> None:
        """Keep a clip that has just been created."""
        try:
            self._clips[key] = data
        except ValueError:
            self._clips.pop(key, None)

    def drop(self, key: str) -> None:
        """Forget a clip, also one that is being loaded: its waiters get it, and it is not kept."""
        self._clips.pop(key, None)
        self._loading.forget(key)
