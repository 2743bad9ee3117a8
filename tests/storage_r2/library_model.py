"""What a library of voices does to its callers, one call after another: the model that histories are held against.

A voice is a register of its own, from its birth to its death: each call that names it, or shows it, has to fit into
one order. So is each name, which holds the voice that answers to it; and so is the choice of the default.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from support.linearizability import explained

from chatterbox_api_core.types import Voice

__all__ = ["NEVER_NS", "Call", "State", "violations"]

NEVER_NS: Final = 2**63
"""The end of a call that may act at any time after it began."""


@dataclass(frozen=True)
class State:
    """A living voice. Names are canonical."""

    revision: int
    name: str
    aliases: frozenset[str]
    sha256: str

    @classmethod
    def of(cls, voice: Voice) -> State:
        return cls(voice.revision, voice.name, frozenset(voice.aliases), voice.sha256)

    @property
    def names(self) -> frozenset[str]:
        return self.aliases | {self.name}

    def role(self, name: str) -> str:
        return "name" if name == self.name else "alias" if name in self.aliases else ""


@dataclass(frozen=True)
class Call:
    """One call and what came of it.

    Attributes:
        kind: add, amend, replace, remove, set_default, get, find, audio or default.
        voice_id: which is added, changed, asked for or seen; None for none.
        outcome: ok; taken, of the name `taken`; unknown, which is NotFound; unsure, which may have been or not.
        name: that is added, asked for, or taken as the new one.
        alias, dropped_alias: that is added, or removed.
        sha256: of the clip that is added, or asked for.
        seen: the voice as it was returned.
    """

    kind: str
    voice_id: str | None
    outcome: str
    began_ns: int
    ended_ns: int
    name: str = ""
    alias: str = ""
    dropped_alias: str = ""
    sha256: str = ""
    taken: str = ""
    seen: State | None = None

    @property
    def is_unsure(self) -> bool:
        return self.outcome == "unsure"

    @property
    def shows_death(self) -> bool:
        """Whether its voice is gone by the end of it."""
        if self.kind == "remove" and self.outcome == "ok":
            return True
        if self.kind == "get":
            return self.outcome == "ok" and self.seen is None
        return self.outcome == "unknown" and self.kind != "audio"


def violations(calls: Iterable[Call]) -> list[str]:
    """The voices and names whose history no order explains, and `default`."""
    calls = _bounded(list(calls))
    found = [voice_id for voice_id, each in sorted(_by_voice(calls).items()) if not _voice_explained(each)]
    names = sorted({name for call in calls for name in (call.name, call.alias)} - {""})
    found += [name for name in names if not _name_explained(name, calls)]
    return found + ([] if _default_explained(calls) else ["default"])


def _bounded(calls: list[Call]) -> list[Call]:
    """An unsure change of a voice may act at any time, but not after the voice is known to be gone."""
    gone_ns: dict[str | None, int] = {}
    for call in calls:
        if call.shows_death:
            gone_ns[call.voice_id] = min(call.ended_ns, gone_ns.get(call.voice_id, NEVER_NS))
    return [
        replace(call, ended_ns=NEVER_NS if call.kind == "set_default" else gone_ns.get(call.voice_id, NEVER_NS))
        if call.is_unsure
        else call
        for call in calls
        if not (call.is_unsure and call.began_ns > gone_ns.get(call.voice_id, NEVER_NS) and call.kind != "set_default")
    ]


def _unsure(call: Call) -> bool:
    return call.is_unsure


_VoiceState: TypeAlias = State | str
"""Also `unborn` and `dead`."""


def _by_voice(calls: list[Call]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.voice_id is not None and not (call.kind == "set_default" and call.is_unsure):
            found[call.voice_id].append(call)
    return found


def _voice_explained(calls: list[Call]) -> bool:
    unborn: _VoiceState = "unborn"
    return explained(calls, unborn, _voice_step, may_not_have_been=_unsure)


def _voice_step(state: _VoiceState, call: Call) -> tuple[_VoiceState, ...]:
    if call.kind == "add":
        born = State(1, call.name, frozenset({call.alias} - {""}), call.sha256)
        return (born,) if state == "unborn" and call.seen in (None, born) else ()
    if isinstance(state, str):
        return (state,) if call.outcome == "unknown" or (call.shows_death and call.kind != "remove") else ()
    if call.outcome == "unknown":
        return (state,) if call.kind == "audio" and state.sha256 != call.sha256 else ()
    if call.outcome == "taken" or call.kind == "set_default":
        return (state,)
    if call.kind == "audio":
        return (state,) if state.sha256 == call.sha256 else ()
    if call.kind in ("get", "find", "default"):
        return (state,) if state == call.seen else ()
    if call.kind == "remove":
        return ("dead",)
    after = _changed(state, call)
    return (after,) if call.seen in (None, after) else ()


def _changed(state: State, call: Call) -> State:
    """The voice after amend or replace."""
    if call.kind == "replace":
        return replace(state, revision=state.revision + 1, sha256=call.sha256)
    name = call.name or state.name
    aliases = (state.aliases - {call.dropped_alias} | {call.alias}) - {"", name}
    return State(state.revision + 1, name, aliases, state.sha256)


_Owner: TypeAlias = tuple[str, str] | None
"""The voice that answers to a name, and whether that is its name or an alias."""


def _name_explained(name: str, calls: list[Call]) -> bool:
    holders = {call.voice_id for call in calls if name in (call.name, call.alias) and call.kind in ("add", "amend")}
    concerned = [call for call in calls if _concerns(call, name, holders)]
    nobody: _Owner = None
    return explained(concerned, nobody, lambda owner, call: _name_step(owner, call, name), may_not_have_been=_unsure)


def _concerns(call: Call, name: str, holders: set[str | None]) -> bool:
    if call.outcome == "taken":
        return call.taken == name
    if call.kind == "find" and call.name == name:
        return True
    if (call.kind in ("audio", "set_default") and call.outcome != "unknown") or call.kind == "audio":
        return False
    return call.voice_id is not None and call.voice_id in holders


def _name_step(owner: _Owner, call: Call, name: str) -> tuple[_Owner, ...]:
    mine = owner is not None and owner[0] == call.voice_id
    if call.outcome == "taken":
        return (owner,) if owner is not None and not mine else ()
    if call.kind == "find" and call.voice_id is None:
        return (owner,) if owner is None else ()
    if call.shows_death and call.kind != "remove":
        return () if mine else (owner,)
    after = owner
    if call.kind == "remove":
        after = None if mine else owner
    elif call.kind in ("add", "amend"):
        if not mine and name in (call.name, call.alias):
            if owner is not None:
                return ()
            after = (str(call.voice_id), "name" if name == call.name else "alias")
        elif mine:
            after = _kept(owner, call, name)
    if call.seen is not None:
        role = call.seen.role(name)
        shown = after == (call.voice_id, role) if role else after is None or after[0] != call.voice_id
        return (after,) if shown else ()
    return (after,)


def _kept(owner: _Owner, call: Call, name: str) -> _Owner:
    """What becomes of a name of a voice that is updated."""
    assert owner is not None
    voice_id, role = owner
    if name == call.name:
        return voice_id, "name"
    if role == "name":
        return None if call.name and name != call.alias else (voice_id, "alias" if call.name else "name")
    return None if name == call.dropped_alias and name != call.alias else owner


def _default_explained(calls: list[Call]) -> bool:
    dying_ns: dict[str | None, int] = {}
    for call in calls:
        if call.kind == "remove" and call.outcome in ("ok", "unsure"):
            dying_ns[call.voice_id] = min(call.began_ns, dying_ns.get(call.voice_id, NEVER_NS))

    def step(chosen: str | None, call: Call) -> tuple[str | None, ...]:
        if call.kind == "set_default":
            return (call.voice_id,)
        gone = chosen is None or dying_ns.get(chosen, NEVER_NS) < call.ended_ns
        return (chosen,) if chosen == call.voice_id or (call.voice_id is None and gone) else ()

    concerned = [call for call in calls if call.kind in ("default", "set_default") and call.outcome in ("ok", "unsure")]
    nothing: str | None = None
    return explained(concerned, nothing, step, may_not_have_been=_unsure)
