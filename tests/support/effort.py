"""How hard a run tries. `CHATTERBOX_LONG_TESTS=1` tries for longer what the short form tries a few times."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["LONG", "examples", "use_profile"]

LONG: Final = os.environ.get("CHATTERBOX_LONG_TESTS") == "1"

_DEFAULT_EXAMPLES: Final = 50
_LONG_FACTOR: Final = 10


def examples(short: int) -> int:
    """The examples of a property: `short` of them, or many times as many in a long run."""
    return short * _LONG_FACTOR if LONG else short


def use_profile() -> None:
    """For every property that does not say otherwise. A busy machine draws its examples slowly, which is no failure."""
    from hypothesis import HealthCheck, settings  # not wherever tests run on the service alone

    settings.register_profile(
        "ours",
        max_examples=examples(_DEFAULT_EXAMPLES),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )
    settings.load_profile("ours")
