"""Checks one adapter in a process of its own, so that an adapter that crashes, hangs or floods harms nothing else.

`python -m chatterbox_api.probe GROUP NAME [ENV_FILE]` prints one line of JSON: {"state", "detail"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chatterbox_api.cli.waiting import LOADING_CODES
from chatterbox_api.environment import read_environment
from chatterbox_api_core.errors import ChatterboxError, Unavailable
from chatterbox_api_core.plugins import Absent, Incomplete, OnRequest, load

__all__ = ["main"]

_READY_S: Final = 10.0


async def _probe(group: str, name: str, env: Mapping[str, str]) -> dict[str, str]:
    plugin = load(group, name)
    state = plugin.state(env)
    if isinstance(state, Absent):
        return {"state": "absent", "detail": state.reason}
    if isinstance(state, Incomplete):
        return {"state": "incomplete", "detail": f"missing: {', '.join(state.missing)}"}
    if isinstance(state, OnRequest):  # not opened: that may be where its price is paid
        return {"state": "on request", "detail": state.reason}
    async with plugin.open(env) as adapter:
        if reason := await _unavailable(adapter):
            return {"state": "unavailable", "detail": reason}
        return {"state": "ready", "detail": _describe(adapter)}


async def _unavailable(adapter: Any) -> str | None:
    """Why an open adapter cannot serve; None where it can, and where its port has no `ready`."""
    if not hasattr(adapter, "ready"):
        return None
    try:
        async with asyncio.timeout(_READY_S):
            await adapter.ready()
    except TimeoutError:
        return f"It did not answer within {_READY_S:g} s whether it is ready."
    except Unavailable as error:
        return None if error.code in LOADING_CODES else str(error)
    return None


def _describe(adapter: Any) -> str:
    if formats := getattr(adapter, "formats", None):
        return ", ".join(offered.name for offered in formats)
    if capabilities := getattr(adapter, "capabilities", None):
        clones = "clones voices" if capabilities.supports_cloning else "cannot clone"
        languages = len(capabilities.languages)
        return f"{clones}, {languages} language{'s' * (languages != 1)}, {capabilities.max_concurrency} at once"
    return ""


def main() -> None:
    """Probe the adapter that the arguments name, and print the result."""
    group, name, *env_file = sys.argv[1:]
    try:
        env = read_environment(Path(env_file[0]) if env_file else None)
        result = asyncio.run(_probe(group, name, env))
    except ChatterboxError as error:
        result = {"state": "broken", "detail": str(error)}
    print(json.dumps(result))  # noqa: T201 — this line is the result


if __name__ == "__main__":
    main()
