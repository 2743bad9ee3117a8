"""Whether what several callers saw could have happened one call after another.

`explained` searches the history of one object for an order that respects time. `violations` does it for names that
each have one voice at most: each name is a register that holds the id of its voice or nothing, and a call is
projected onto the registers it says something of. Voices have one name there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

__all__ = ["Call", "Timed", "explained", "violations"]


class Timed(Protocol):
    """Anything with a beginning and an end."""

    @property
    def began_ns(self) -> int: ...
    @property
    def ended_ns(self) -> int: ...


C = TypeVar("C", bound=Timed)
S = TypeVar("S", bound=Hashable)


def _never(_: object) -> bool:
    return False


def explained(
    calls: Sequence[C],
    initial: S,
    step: Callable[[S, C], Iterable[S]],
    *,
    may_not_have_been: Callable[[C], bool] = _never,
) -> bool:
    """Whether some order of the calls, each at one moment between its begin and its end, explains what they saw.

    It walks through time with every state that is possible: the object's, and which unfinished calls have acted.

    Args:
        step: the states that the object can have after a call in a state; none if it cannot have happened there.
        may_not_have_been: the calls that have acted by their end, or never.
    """
    optional = frozenset(i for i, call in enumerate(calls) if may_not_have_been(call))
    events = sorted(
        [(call.began_ns, 0, i) for i, call in enumerate(calls)]
        + [(call.ended_ns, 1, i) for i, call in enumerate(calls)]
    )
    running: set[int] = set()
    states: set[tuple[S, frozenset[int]]] = {(initial, frozenset())}
    for _, ends, i in events:
        if not ends:
            running.add(i)
            continue
        reached, fresh = set(states), set(states)
        while fresh:
            found = {
                (after, acted | {other})
                for state, acted in fresh
                for other in running - acted
                for after in step(state, calls[other])
            }
            kept = _best(reached | found, optional)
            reached, fresh = kept, kept - reached
        states = {(state, acted - {i}) for state, acted in reached if i in acted or i in optional}
        running.discard(i)
        if not states:
            return False
    return True


def _best(states: set[tuple[S, frozenset[int]]], optional: frozenset[int]) -> set[tuple[S, frozenset[int]]]:
    """Without those for which there is the same with fewer of the calls used up that need not be used at all."""
    if not optional:
        return states
    groups: dict[tuple[S, frozenset[int]], list[frozenset[int]]] = {}
    for state, acted in sorted(states, key=lambda each: len(each[1])):
        group = groups.setdefault((state, acted - optional), [])
        if not any(fewer <= acted for fewer in group):
            group.append(acted)
    return {(state, acted) for (state, _), group in groups.items() for acted in group}


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
    return [name for name in names if not _name_explained(name, [call for call in calls if _concerns(call, name)])]


def _concerns(call: Call, name: str) -> bool:
    return call.name == name or (call.kind in ("rename", "remove") and call.outcome != "taken")


def _name_explained(name: str, calls: list[Call]) -> bool:
    nobody: str | None = None
    return explained(calls, nobody, lambda owner, call: _step(owner, call, name))


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
