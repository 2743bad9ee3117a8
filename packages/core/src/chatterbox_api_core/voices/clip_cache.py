"""Clips in memory, by the SHA-256 of their bytes: what is found can never be stale.

Where they are kept, how many bytes and for how long without access is the mapping's business; this is what a
mapping cannot know: that many who miss at once are one fetch, that a failure is not kept, and that what is
dropped while it loads stays dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping

from chatterbox_api_core.errors import ChatterboxError

__all__ = ["ClipCache"]


class ClipCache:
    """A cache over any mapping. Used on one event loop.

    Args:
        clips: keeps what it can; it may forget anything at any time. A value it refuses with ValueError, because
            it is too large, is served and not kept.

    Attributes:
        hits, misses: how often a clip was at hand, and how often it was fetched or waited for.
    """

    def __init__(self, clips: MutableMapping[str, bytes]) -> None:
        self.hits = self.misses = 0
        self._clips = clips
        self._loading: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, key: str, fetch: Callable[[], Awaitable[bytes]]) -> bytes:
        """The clip at hand, else what `fetch` returns, called once however many wait. Raises what it raises.

        Where one's fetch fails, those who waited with it fetch once more, on their own account: two voices may
        have the same clip, and only one of them be removed or damaged.
        """
        try:
            data = self._clips[key]
        except KeyError:
            self.misses += 1
        else:
            self.hits += 1
            return data
        task = self._loading.get(key)
        if task is None:
            return await asyncio.shield(self._begin(key, fetch))
        try:
            # Shielded, so that one who gives up takes nothing from the others.
            return await asyncio.shield(task)
        except ChatterboxError:
            # Of another's place: the same bytes may be in one's own.
            return await asyncio.shield(self._loading.get(key) or self._begin(key, fetch))

    def _begin(self, key: str, fetch: Callable[[], Awaitable[bytes]]) -> asyncio.Task[bytes]:
        task = self._loading[key] = asyncio.create_task(self._load(key, fetch))
        task.add_done_callback(_seen)
        return task

    def put(self, key: str, data: bytes) -> None:
        """Keep a clip that has just been created."""
        try:
            self._clips[key] = data
        except ValueError:
            self._clips.pop(key, None)

    def drop(self, key: str) -> None:
        """Forget a clip, also one that is being loaded: its waiters get it, and it is not kept."""
        self._clips.pop(key, None)
        self._loading.pop(key, None)

    async def _load(self, key: str, fetch: Callable[[], Awaitable[bytes]]) -> bytes:
        task = asyncio.current_task()
        try:
            data = await fetch()
            if self._loading.get(key) is task:
                self.put(key, data)
            return data
        finally:
            if self._loading.get(key) is task:
                del self._loading[key]


def _seen(task: asyncio.Task[bytes]) -> None:
    """Look at a failure that all its waiters may have left, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
