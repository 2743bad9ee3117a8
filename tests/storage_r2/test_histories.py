"""Two servers on one bucket, a third of their writes failing: all calls fit into one order, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from dataclasses import replace

import pytest
from storage_r2.histories import NAMES, FaultyProxy, History, two_stores
from storage_r2.library_contents import contents_of, sweep_all
from storage_r2.library_model import NEVER_NS, Call, State, violations
from support.r2_stores import new_prefix
from support.s3_servers import S3Server

from chatterbox_api_core.ports import VoiceStore
from chatterbox_api_core.types import Voice

LONG = os.environ.get("CHATTERBOX_LONG_TESTS") == "1"
CALLS = 10_000 if LONG else 500
CLIENTS = 6
"""At each of the two stores."""


async def test_calls_through_faulty_proxies_are_linearizable_and_lose_nothing(s3_server: S3Server) -> None:
    prefix, seed = new_prefix(), time.time_ns()
    print(f"seed {seed}")
    history = History()
    async with two_stores(s3_server, prefix=prefix, seed=seed) as (stores, proxies):
        for proxy in proxies:
            proxy.faulty = True
        await history.run(stores, calls=CALLS, clients=CLIENTS, seed=seed)
        await clear(proxies)
        live = await look_at_all(history, stores)
        before = await contents_of(s3_server, prefix)
        assert before.voices == live
        swept = await sweep_all(s3_server, prefix)
        after = await contents_of(s3_server, prefix)
        assert after.voices == live
        assert after.left_over == set()
        assert await look_at_all(history, stores) == live
    history.settle()
    report(history, proxies, left_over=len(before.left_over), swept=swept)
    assert violations(history.calls) == []
    check_eventful(history, proxies)


async def clear(proxies: tuple[FaultyProxy, ...]) -> None:
    """Let the proxies cause no more faults, and wait for the requests that are under way."""
    for proxy in proxies:
        proxy.faulty = False
    async with asyncio.timeout(60):
        while any(proxy.open_requests for proxy in proxies):
            await asyncio.sleep(0.01)


async def look_at_all(history: History, stores: tuple[VoiceStore, ...]) -> dict[str, Voice]:
    """Ask both stores for all that was ever seen, which becomes part of the history; the voices that live."""
    seen: list[dict[str, Voice]] = []
    for store in stores:
        listed = {voice.id: voice for voice in await store.list(limit=1000)}
        for name in NAMES:
            await history.find(store, name)
        await history.default(store)
        for voice_id in [*history.voices, *listed]:
            assert await history.get(store, voice_id) == listed.get(voice_id)
        for voice in listed.values():
            assert await store.read_clip(voice) == history.clips[voice.sha256]
            for name in (voice.name, *voice.aliases):
                assert await store.get_by_name(name) == voice
        seen.append(listed)
    assert seen[0] == seen[1]
    return seen[0]


def report(history: History, proxies: tuple[FaultyProxy, ...], **more: int) -> None:
    faults: Counter[str] = sum((proxy.faults for proxy in proxies), Counter())
    outcomes = Counter(call.outcome for call in history.calls)
    print(
        dict(outcomes), dict(history.refused), dict(faults), f"of {sum(proxy.writes for proxy in proxies)} writes", more
    )


def check_eventful(history: History, proxies: tuple[FaultyProxy, ...]) -> None:
    """The test has met what it is for."""
    seen = {(call.kind, call.outcome) for call in history.calls}
    for kind in ("add", "amend", "replace", "remove", "set_default", "audio"):
        assert (kind, "ok") in seen
    assert {("add", "taken"), ("amend", "taken"), ("remove", "unknown")} <= seen
    assert any(call.is_unsure for call in history.calls), "no call had an unknown outcome"
    failed = sum(count for proxy in proxies for fault, count in proxy.faults.items() if fault != "dark")
    assert failed > sum(proxy.writes for proxy in proxies) / 4
    changes = sum(call.outcome == "ok" and call.kind in ("add", "amend", "replace", "remove") for call in history.calls)
    assert changes > CALLS / 10
    assert sum(history.refused.values()) < CALLS / 3


ADDED = State(1, "a", frozenset({"b"}), "one")
ADD = Call("add", "1", "ok", 0, 10, name="a", alias="b", sha256="one", seen=ADDED)
RENAME = Call("amend", "1", "ok", 11, 20, name="c", seen=State(2, "c", frozenset({"b"}), "one"))
REPLACE = Call("replace", "1", "ok", 11, 20, sha256="two", seen=State(2, "a", frozenset({"b"}), "two"))
REMOVE = Call("remove", "1", "ok", 11, 20)
UNSURE = Call("remove", "1", "unsure", 11, NEVER_NS)
REFUSED = Call("add", None, "taken", 21, 30, name="c", taken="c")
REMOVE_LATER = replace(REMOVE, began_ns=21, ended_ns=30)
CHOOSE = Call("set_default", "1", "ok", 11, 20)


def get(seen: State | None, began_ns: int = 21) -> Call:
    return Call("get", "1", "ok", began_ns, began_ns + 1, seen=seen)


def find(name: str, seen: State | None, began_ns: int = 21) -> Call:
    return Call("find", None if seen is None else "1", "ok", began_ns, began_ns + 1, name=name, seen=seen)


OTHER = Call("add", "2", "ok", 21, 30, name="a", sha256="two", seen=State(1, "a", frozenset(), "two"))


@pytest.mark.parametrize(
    ("calls", "wrong"),
    [
        pytest.param([ADD, get(None)], ["1", "a", "b"], id="a lost voice"),
        pytest.param([ADD, find("b", None)], ["b"], id="a lost alias"),
        pytest.param([ADD, OTHER], ["a"], id="a name given twice"),
        pytest.param([ADD, RENAME, get(ADDED)], ["1", "a", "c"], id="a rename that is not seen"),
        pytest.param([ADD, RENAME, find("a", ADDED)], ["1", "a", "c"], id="a rename that left its old name"),
        pytest.param([ADD, REPLACE, get(ADDED)], ["1"], id="an old clip"),
        pytest.param([ADD, REPLACE, Call("audio", "1", "ok", 21, 22, sha256="one")], ["1"], id="old bytes"),
        pytest.param([ADD, REMOVE, get(ADDED)], ["1", "a", "b"], id="a removed voice comes back"),
        pytest.param([ADD, UNSURE, get(None), get(ADDED, 31)], ["1", "a", "b"], id="an unsure removal undone"),
        pytest.param([ADD, RENAME, replace(RENAME, began_ns=21, ended_ns=30)], ["1"], id="a revision used twice"),
        pytest.param([ADD, RENAME, replace(REPLACE, began_ns=12)], ["1"], id="a change that swallows another"),
        pytest.param([ADD, REFUSED], ["c"], id="a free name refused"),
        pytest.param([ADD, Call("replace", "1", "unknown", 11, 12)], ["1", "a", "b"], id="a living voice not found"),
        pytest.param([ADD, Call("audio", "1", "unknown", 11, 12, sha256="one")], ["1"], id="its clip not found"),
        pytest.param([ADD, CHOOSE, Call("default", None, "ok", 21, 22)], ["default"], id="a lost default"),
    ],
)  # fmt: skip
def test_the_checker_finds_what_cannot_be(calls: list[Call], wrong: list[str]) -> None:
    assert violations(calls) == wrong


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([ADD, get(None, 3), get(ADDED, 4)], id="seen while it is added"),
        pytest.param([ADD, RENAME, find("a", None), find("b", RENAME.seen)], id="a rename keeps the alias"),
        pytest.param([ADD, REMOVE, OTHER], id="a name is free again"),
        pytest.param([ADD, UNSURE, get(ADDED), get(None, 31), OTHER], id="an unsure removal, done late"),
        pytest.param([ADD, UNSURE, get(ADDED), get(ADDED, 31)], id="an unsure removal, never done"),
        pytest.param([ADD, UNSURE, replace(RENAME, began_ns=15)], id="a change before an unsure removal"),
        pytest.param([replace(ADD, outcome="unsure", ended_ns=NEVER_NS, seen=None), get(ADDED)], id="an unsure add"),
        pytest.param([ADD, REPLACE, Call("audio", "1", "unknown", 15, 22, sha256="one")], id="the clip before"),
        pytest.param([ADD, CHOOSE, REMOVE_LATER, Call("default", None, "ok", 25, 26)], id="the default goes"),
    ],
)  # fmt: skip
def test_the_checker_accepts_what_can_be(calls: list[Call]) -> None:
    assert violations(calls) == []
