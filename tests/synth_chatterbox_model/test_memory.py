"""What a request took is free when it is done, or when it was called off."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import tracemalloc
from collections.abc import Callable
from typing import Final

import psutil
import torch

from chatterbox_api_synth_chatterbox.child.engine import Engine, Request
from chatterbox_api_synth_chatterbox.models import MODELS

REQUESTS: Final = 200


class CalledOff(Exception):
    """What the checkpoint raises."""


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


def resident() -> int:
    """Bytes of this process, without what malloc keeps for later, which comes and goes."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def test_200_requests_take_no_more_memory_than_a_few(
    engines: Callable[[str], Engine], hooks: Callable[[Engine], int], clip: Callable[..., torch.Tensor]
) -> None:
    """Of three models in turn, in two voices, most called off on the way; and not a hook is added."""
    turns = [(engines(name), engines(name).prepare(clip(duration_s=5.2), 24_000)) for name in MODELS]
    finished = 0

    def say(number: int) -> None:
        nonlocal finished
        engine, voice = turns[number % len(turns)]
        steps = itertools.count(1)

        def checkpoint() -> None:
            if number // 3 % 6 and next(steps) > number % 15:
                raise CalledOff

        try:
            engine.speak(
                Request("Yes." if number % 2 else "My friend.", number), None if number % 4 else voice, checkpoint
            )
            finished += 1
        except CalledOff:
            pass

    for number in range(36):
        say(number)
    before = tensors(), sum(hooks(engine) for engine, _ in turns)
    resident_before = resident()
    finished = 0
    for number in range(REQUESTS):
        say(number)
    assert REQUESTS // 8 < finished < REQUESTS // 4
    assert (tensors(), sum(hooks(engine) for engine, _ in turns)) == before
    assert resident() - resident_before < 8 * 2**20
    tracemalloc.start()
    try:
        say(0)
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        for number in range(18):
            say(number)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - first < 200_000
    finally:
        tracemalloc.stop()
