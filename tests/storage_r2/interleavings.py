"""Walks the protocol's own code through every interleaving of its requests, with a fault at each step.

A process is a coroutine over `ModelBucket`, which hands each request to the explorer and waits for the answer. The
code between two requests is a function of the answers so far, so a state is the bucket's objects and each process's
answers, and two interleavings that lead to the same state are walked on once.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias
from unittest import mock

from chatterbox_api_core.errors import ChatterboxError, NameTaken, Unavailable
from chatterbox_api_core.voices import names, revisions
from chatterbox_api_core.voices.revisions import canonical_names
from chatterbox_api_storage_r2 import documents, layout
from chatterbox_api_storage_r2.bucket import ObjectSummary, OutcomeUnknown, PreconditionFailed, StoredObject
from chatterbox_api_storage_r2.circuit_breaker import CircuitBreaker
from chatterbox_api_storage_r2.layout import claim_key, parsed_record, voice_id_of

__all__ = ["Broken", "Explorer", "ModelBucket", "Objects", "Outcome", "Process", "claimants", "voices"]

Objects: TypeAlias = Mapping[str, bytes]
Request: TypeAlias = tuple[str, str, bytes, str]
"""Method, key, data, ETag."""

LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)
WRITES: Final = ("put_if_absent", "put_if_match", "delete")


class Broken(AssertionError):
    """A promise that did not hold, and the way to it."""


@dataclass(frozen=True)
class Answer:
    """To one request: a value, or what it raises."""

    value: Any = None
    error: str = ""

    def given(self) -> Any:
        if self.error:
            raise {
                "precondition failed": PreconditionFailed(),
                "outcome unknown": OutcomeUnknown("no answer"),
                "unavailable": Unavailable("The bucket is unavailable."),
            }[self.error]
        return self.value


@dataclass(frozen=True)
class Outcome:
    """How a process ended: what it returned, or the error it raised; «crashed» where it was ended."""

    returned: Any = field(default=None, compare=False)
    error: str = ""
    told: str = ""


class _State(NamedTuple):
    """Objects and positions are numbers: they are kept once, and looked up."""

    objects: int
    positions: tuple[int, ...]
    crashed: frozenset[int]
    late: tuple[Request, ...]
    faults_left: int
    held: frozenset[str]
    """The names that have ever been somebody's."""


class _Objects:
    """Each content of the bucket that has been met, and its number."""

    def __init__(self) -> None:
        self._numbers: dict[frozenset[tuple[str, bytes]], int] = {}
        self._contents: list[Objects] = []
        self._held: list[frozenset[str]] = []
        self._sound: set[tuple[int, int]] = set()

    def number(self, objects: Objects) -> int:
        key = frozenset(objects.items())
        if key not in self._numbers:
            self._numbers[key] = len(self._contents)
            self._contents.append(objects)
            self._held.append(_held(objects))
        return self._numbers[key]

    def __getitem__(self, number: int) -> Objects:
        return self._contents[number]

    def step(self, before: int, after: int) -> frozenset[str]:
        """Check a change once, and return the names that are somebody's after it."""
        if (before, after) not in self._sound:
            _check_step(self._contents[before], self._contents[after])
            self._sound.add((before, after))
        return self._held[after]


@dataclass
class _Position:
    """How far a process has come: the answers so far, and what it asks for next, or how it ended."""

    process: int
    answers: tuple[Answer, ...]
    next: Request | Outcome
    following: dict[Answer, int] = field(default_factory=dict)


@types.coroutine
def _ask(request: Request) -> Generator[Request, Answer, Any]:
    answer = yield request
    return answer.given()


class ModelBucket:
    """See `bucket.Bucket`: every call is one request that the explorer answers."""

    breaker = CircuitBreaker()

    async def get(self, key: str, *, if_none_match: str | None = None) -> StoredObject | None:
        found: StoredObject | None = await _ask(("get", key, b"", ""))
        return found

    async def put_if_absent(self, key: str, data: bytes) -> str:
        return str(await _ask(("put_if_absent", key, data, "")))

    async def put_if_match(self, key: str, data: bytes, *, etag: str) -> str:
        return str(await _ask(("put_if_match", key, data, etag)))

    async def delete(self, key: str) -> None:
        await _ask(("delete", key, b"", ""))

    async def list(self, prefix: str) -> AsyncGenerator[tuple[ObjectSummary, ...], None]:
        yield await _ask(("list", prefix, b"", ""))

    async def pause(self, attempt: int, *, at_least_s: float = 0.0) -> None:
        return


Process: TypeAlias = Callable[[], Coroutine[Any, Any, Any]]
Check: TypeAlias = Callable[[Objects, tuple[Outcome, ...]], None]


class Explorer:
    """Every interleaving of `processes` over a bucket that holds `objects`.

    Args:
        faults: how many things go wrong on one way: a process ends, an answer is lost with or without its request,
            a request arrives late, a write that was done is answered with PreconditionFailed, a read fails.
        max_requests: of one process; ways on which two keep fencing each other are cut off there.
        check: is called with the objects and outcomes of every end.

    Attributes:
        states, ends, cut: how many were seen.
    """

    def __init__(
        self, *processes: Process, objects: Objects, check: Check, faults: int = 1, max_requests: int = 40
    ) -> None:
        self._processes, self._check, self._max_requests = processes, check, max_requests
        self._objects, self._positions = (
            _Objects(),
            [_Position(i, (), self._replayed(i, ())) for i in range(len(processes))],
        )
        self._first = _State(
            objects=self._objects.number(objects),
            positions=tuple(range(len(processes))),
            crashed=frozenset(),
            late=(),
            faults_left=faults,
            held=_held(objects),
        )
        self.states = self.ends = self.cut = 0

    def walk(self) -> Explorer:
        """Raises Broken."""
        seen = {self._first}
        stack = [self._first]
        while stack:
            state = stack.pop()
            self.states += 1
            for following in self._following(state):
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return self

    def _following(self, state: _State) -> Iterator[_State]:
        objects = self._objects[state.objects]
        positions = [self._positions[number] for number in state.positions]
        running = [each for each in positions if isinstance(each.next, tuple) and each.process not in state.crashed]
        if any(len(each.answers) >= self._max_requests for each in running):
            self.cut += 1
            return
        for i, request in enumerate(state.late):
            done, _ = _served(objects, request)
            yield self._moved(state, done)._replace(late=state.late[:i] + state.late[i + 1 :])
        if not running and not state.late:
            self._end(state, objects, positions)
        for each in running:
            yield from self._served_or_not(state, objects, each)

    def _served_or_not(self, state: _State, objects: Objects, position: _Position) -> Iterator[_State]:
        request = position.next
        assert isinstance(request, tuple)
        done, answer = _served(objects, request)
        yield self._moved(state, done, position, answer)
        if not state.faults_left:
            return
        faulty = state._replace(faults_left=state.faults_left - 1)
        yield faulty._replace(crashed=state.crashed | {position.process})
        if request[0] not in WRITES:
            yield self._moved(faulty, objects, position, Answer(error="unavailable"))
            return
        unknown = Answer(error="outcome unknown")
        yield self._moved(faulty, done, position, unknown)
        yield self._moved(faulty, objects, position, unknown)
        yield self._moved(faulty, objects, position, unknown)._replace(late=(*state.late, request))
        if not answer.error and request[0] != "delete":
            yield self._moved(faulty, done, position, Answer(error="precondition failed"))

    def _moved(
        self, state: _State, objects: Objects, position: _Position | None = None, answer: Answer | None = None
    ) -> _State:
        """The state with these objects, and this process one answer further."""
        positions, held = state.positions, state.held
        if position is not None and answer is not None:
            i = position.process
            positions = (*positions[:i], self._after(position, answer), *positions[i + 1 :])
        number = state.objects if objects is self._objects[state.objects] else self._objects.number(objects)
        if number != state.objects:
            held |= self._objects.step(state.objects, number)
        return state._replace(objects=number, positions=positions, held=held)

    def _end(self, state: _State, objects: Objects, positions: list[_Position]) -> None:
        self.ends += 1
        outcomes = tuple(
            each.next if isinstance(each.next, Outcome) else Outcome(error="crashed") for each in positions
        )
        try:
            for outcome in outcomes:
                assert outcome.error != "NameTaken" or outcome.told in state.held, "a name was never taken"
            self._check(objects, outcomes)
        except AssertionError as error:
            raise Broken(f"{error}: {outcomes} {_shown(objects)}") from error

    def _after(self, position: _Position, answer: Answer) -> int:
        if answer not in position.following:
            answers = (*position.answers, answer)
            self._positions.append(_Position(position.process, answers, self._replayed(position.process, answers)))
            position.following[answer] = len(self._positions) - 1
        return position.following[answer]

    def _replayed(self, i: int, answers: tuple[Answer, ...]) -> Request | Outcome:
        with _without_chance(f"{i + 1:x}"):
            process = self._processes[i]()
            try:
                request: Request = process.send(None)
                for answer in answers:
                    request = process.send(answer)
            except StopIteration as end:
                return Outcome(returned=end.value)
            except (ChatterboxError, OutcomeUnknown) as error:
                told = str(error).split("'")[1].lower() if isinstance(error, NameTaken) else ""
                return Outcome(error=type(error).__name__, told=told)
            process.close()
            return request


def _served(objects: Objects, request: Request) -> tuple[Objects, Answer]:
    method, key, data, etag = request
    there = objects.get(key)
    if method == "get":
        return objects, Answer(None if there is None else StoredObject(there, _etag(there)))
    if method == "list":
        found = [(each, content) for each, content in sorted(objects.items()) if each.startswith(key)]
        return objects, Answer(
            tuple(ObjectSummary(each, _etag(content), len(content), LONG_AGO) for each, content in found)
        )
    if method == "delete":
        return {each: content for each, content in objects.items() if each != key}, Answer()
    held = there is None if method == "put_if_absent" else there is not None and _etag(there) == etag
    return ({**objects, key: data}, Answer(_etag(data))) if held else (objects, Answer(error="precondition failed"))


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def _without_chance(seed: str) -> Iterator[None]:
    """Tokens, ids and times that are the same at every replay, and differ between processes."""
    counter = itertools.count()

    class Tokens:
        @staticmethod
        def token_hex(size: int) -> str:
            return f"{seed}{next(counter):04x}".zfill(2 * size)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return LONG_AGO

    def new_id() -> str:
        return f"voice_{seed}{next(counter):04x}".ljust(32, "0")

    with (
        mock.patch.object(documents, "secrets", Tokens),
        mock.patch.object(layout, "secrets", Tokens),
        mock.patch.object(revisions, "datetime", Clock),
        mock.patch.object(revisions, "new_voice_id", new_id),
        mock.patch.object(names, "new_voice_id", new_id),
    ):
        yield


def voices(objects: Objects) -> dict[str, layout.Record]:
    """The record of each voice that has a document."""
    found = {}
    for key, data in objects.items():
        voice_id = voice_id_of(key)
        if voice_id and key.startswith(layout.VOICES):
            found[voice_id] = parsed_record(json.loads(data), key=key)
    return found


def claimants(objects: Objects) -> dict[str, str]:
    """Which voice has the claim of each name."""
    claims = [json.loads(data) for key, data in objects.items() if key.startswith("names/")]
    return {claim["name"]: claim["voice"] for claim in claims}


def _held(objects: Objects) -> frozenset[str]:
    living = [record.voice for record in voices(objects).values() if record.voice is not None]
    return frozenset(name for voice in living for name in canonical_names(voice))


def _check_step(before: Objects, after: Objects) -> None:
    """What holds at every moment, whoever has done what so far."""
    claims, old = claimants(after), voices(before)
    for voice_id, record in voices(after).items():
        was = old.get(voice_id)
        if was is not None and was != record and record.version != was.version + 1:
            raise Broken(f"{voice_id} went from version {was.version} to {record.version}")
        if record.voice is None:
            continue
        if was is not None and was.voice is None:
            raise Broken(f"{voice_id} came back")
        if record.clip not in after:
            raise Broken(f"{voice_id} has lost its clip: {_shown(after)}")
        for name in canonical_names(record.voice):
            if claims.get(name) != voice_id:
                raise Broken(f"{voice_id} lists {name}, which {claims.get(name)} has claimed: {_shown(after)}")
    for key in (claim_key(name) for name in claimants(before)):
        if key not in after:
            raise Broken("a claim has gone")


def _shown(objects: Objects) -> str:
    living = {each: sorted(canonical_names(r.voice)) if r.voice else None for each, r in voices(objects).items()}
    return f"voices {living}, claims {claimants(objects)}, clips {[key for key in objects if key.startswith('clips')]}"
