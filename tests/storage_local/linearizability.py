"""Whether what several callers saw of names could have happened one call after another.

Each name is a register that holds the id of its voice or nothing. A call is projected onto the registers it says
something of; each register's history is then searched for an order that respects time. Voices have one name here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Call", "violations"]


@dataclass(frozen=True)
class Call:
    """One call and what came of it.

    Attributes:
        kind: add, find, rename or remove.
        name: that is added, found or taken as the new one; "" for remove.
        voice_id: of the voice that was added, found, renamed or removed; None for none.
        outcome: ok, taken or unknown.
    """

    kind: str
    name: str
    voice_id: str | None
    outcome: str
    began_ns: int
    ended_ns: int


def violations(calls: Iterable[Call]) -> list[str]:
    """The names whose history no order explains."""
    calls = list(calls)
    names = sorted({call.name for call in calls} - {""})
    return [name for name in names if not _explained(name, [call for call in calls if _concerns(call, name)])]


def _concerns(call: Call, name: str) -> bool:
    return call.name == name or (call.kind in ("rename", "remove") and call.outcome != "taken")


def _explained(name: str, calls: list[Call]) -> bool:
    """Walk through time with every state that is possible: the register, and which unfinished calls have acted."""
    events = sorted(
        [(call.began_ns, 0, i) for i, call in enumerate(calls)]
        + [(call.ended_ns, 1, i) for i, call in enumerate(calls)]
    )
    running: set[int] = set()
    states: set[tuple[str | None, frozenset[int]]] = {(None, frozenset())}
    for _, ends, i in events:
        if not ends:
            running.add(i)
            continue
        reached, fresh = set(states), set(states)
        while fresh:
            fresh = {
                (after, acted | {other})
                for owner, acted in fresh
                for other in running - acted
                for after in _step(owner, calls[other], name)
            } - reached
            reached |= fresh
        states = {(owner, acted - {i}) for owner, acted in reached if i in acted}
        running.discard(i)
        if not states:
            return False
    return True


def _step(owner: str | None, call: Call, name: str) -> tuple[str | None, ...]:
    """What the register holds after the call, or nothing if the call cannot have happened now."""
    here = call.name == name
    if call.kind == "find":
        allowed, after = owner == call.voice_id, owner
    elif call.outcome == "taken":
        allowed, after = owner is not None and owner != call.voice_id, owner
    elif call.outcome == "unknown":
        allowed, after = owner != call.voice_id, owner
    elif here:  # added, or renamed to this name
        allowed, after = owner is None or (call.kind == "rename" and owner == call.voice_id), call.voice_id
    else:  # removed, or renamed to another name
        allowed, after = True, None if owner == call.voice_id else owner
    return (after,) if allowed else ()
