"""The baseline of what runs in this process: a look-up in a dictionary, through one turn of the event loop."""

from __future__ import annotations

import asyncio

from benchmarks.micro.timing import Part

__all__ = ["turn"]


def turn() -> Part:
    known = {str(number): number for number in range(1000)}

    async def once() -> int:
        await asyncio.sleep(0)
        return known["500"]

    return Part("baseline: a turn of the event loop", once)
