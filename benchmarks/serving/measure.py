"""One case on one server: the load, and beside it what the server's processes and both event loops do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from benchmarks.serving.cases import TEXTS, Case, Group, OwnTime
from benchmarks.serving.http_client import json_request
from benchmarks.serving.load import Window, closed_loop, open_loop
from benchmarks.serving.results import Beside, Result, summary
from benchmarks.serving.server import Server
from benchmarks.serving.statistics import arrivals_s

__all__ = ["measured"]

_LOOK_S: Final = 0.01
_NEXT_LINE_S: Final = 0.3
"""By then the server has written the next line about its event loop."""
_MEMORY_EVERY: Final = 25


class _Watch:
    """Looks at the server's processes and at the driver's event loop, from `begin` on."""

    def __init__(self, server: Server) -> None:
        self._tree = server.tree
        self._stall_s, self._memory_bytes = 0.0, 0
        self.begin()

    def begin(self) -> None:
        self._stall_s = 0.0
        self._cpu_s = self._tree.cpu_s() if self._tree else 0.0
        self._driver_s, self._began_s, self.monotonic_s = time.process_time(), time.perf_counter(), time.monotonic()

    def end(self) -> Beside:
        """All but the lines of the server's log."""
        return Beside(
            driver_cpu=(time.process_time() - self._driver_s) / (time.perf_counter() - self._began_s),
            driver_stall_s=self._stall_s,
            cpu_s=self._tree.cpu_s() - self._cpu_s if self._tree else None,
            memory_bytes=self._memory_bytes,
        )

    async def look(self) -> None:
        number = 0
        while True:
            began_s = time.perf_counter()
            await asyncio.sleep(_LOOK_S)
            self._stall_s = max(self._stall_s, time.perf_counter() - began_s - _LOOK_S)
            if self._tree and number % _MEMORY_EVERY == 0:
                self._memory_bytes = max(self._memory_bytes, self._tree.memory_bytes())
            number += 1


async def measured(server: Server, group: Group, case: Case, *, voices: list[str]) -> Result:
    """Put the load of a case on a server."""
    own = group.setup.own_time(TEXTS[case.text], cold=case.voices == "cold")
    watch = _Watch(server)
    looking = asyncio.create_task(watch.look())
    try:
        window = await _loaded(server, group, case, own, _requests(server, case, voices), watch.begin)
        beside, ended_s = watch.end(), time.monotonic()
    finally:
        looking.cancel()
        await asyncio.wait([looking])
    if server.loop_log:
        await asyncio.sleep(_NEXT_LINE_S)
        beside = replace(beside, loop_lines=server.loop_log.between(watch.monotonic_s, ended_s + _NEXT_LINE_S))
    return summary(server.name, group, case, own, window, beside)


async def _loaded(
    server: Server, group: Group, case: Case, own: OwnTime, request: Callable[[int], bytes], begin: Callable[[], None]
) -> Window:
    round_s = own.whole_s * max(1.0, case.clients / group.setup.slots)
    if case.clients:
        return await closed_loop(
            server.address,
            request,
            clients=case.clients,
            spread_s=0.0 if case.voices == "cold" else own.whole_s,
            warm_up_s=0.0 if case.voices == "cold" else min(10.0, 1.2 * round_s + 0.2),
            seconds=max(case.seconds, min(15.0, 2 * round_s)),
            max_count=case.max_count,
            on_window=begin,
        )
    begin()
    rate_hz = case.share * group.setup.slots / own.whole_s
    times_s = arrivals_s(rate_hz=rate_hz, duration_s=case.seconds, seed=1, max_count=case.max_count)
    return await open_loop(server.address, request, times_s=times_s, seconds=case.seconds)


def _requests(server: Server, case: Case, voices: list[str]) -> Callable[[int], bytes]:
    body: dict[str, Any] = {
        "model": "tts-1",
        "input": TEXTS[case.text],
        "voice": "alloy",
        "response_format": case.audio_format,
    }
    if server.loop_log:  # others may not know the word
        body["stream"] = case.streaming
    chosen = voices if case.voices == "cold" else voices[:4]
    if case.voices == "none" or not chosen:
        same = json_request(server.address, "/v1/audio/speech", body)
        return lambda number: same
    each = [json_request(server.address, "/v1/audio/speech", {**body, "voice": voice}) for voice in chosen]
    return lambda number: each[number % len(each)]
