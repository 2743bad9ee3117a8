"""The real service on a bucket: several servers with one library, how it starts, and how little it asks."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from support.r2_service import Answer, R2Service, command, is_clip, r2_service, settings_for, stock, until
from support.r2_stores import connection_to, new_prefix, open_store
from support.s3_faults import FaultProxy, Request
from support.s3_servers import S3Server, moto
from support.service import free_port

LONG = bool(os.environ.get("CHATTERBOX_LONG_TESTS"))
NAMES = 200 if LONG else 25
SEEN_S = 30.0 + 8.0
"""Within 30 seconds another server's change is seen, and a bucket that was slow once is asked again 5 seconds later."""
BACK_S = 15.0
KEYS = {"R2_ACCOUNT_ID": "0123456789abcdef" * 2, "R2_ACCESS_KEY_ID": "key-id-8c1f", "R2_SECRET_ACCESS_KEY": "s3cr3t-77"}

_log = logging.getLogger(__name__)


@pytest.fixture
def proxy(s3_server: S3Server) -> Generator[FaultProxy, None, None]:
    with FaultProxy(s3_server.url) as found:
        yield found


class Watch:
    """Notes the requests that come to a proxy."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._seen: list[Request] = []
        proxy.fail("pass", when=self._note)

    def _note(self, request: Request) -> bool:
        self._seen.append(request)
        return False

    def __len__(self) -> int:
        return len(self._seen)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._seen)

    def quiet(self) -> None:
        """Wait until nothing more comes on its own, and forget what came."""
        seen = -1

        def is_quiet() -> bool:
            nonlocal seen
            before, seen = seen, len(self._seen)
            return before == seen

        until(is_quiet, within_s=BACK_S, every_s=0.5)
        self._seen.clear()


# --- several servers, one library


@dataclass(frozen=True)
class Pair:
    """Two servers with one library, and what the second has seen of changes that were made on the first.

    Attributes:
        seen: for each change, how long it took, in seconds.
    """

    a: R2Service
    b: R2Service
    seen: dict[str, Future[float]]


@pytest.fixture(scope="module")
def pair(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Generator[Pair, None, None]:
    """What has been changed is looked for while other tests run."""
    settings, folder = settings_for(s3_server, prefix=new_prefix()), tmp_path_factory.mktemp("pair")
    stock(s3_server, prefix=settings["R2_PREFIX"], voices={"anna": 300, "bert": 400, "carl": 500, "dora": 300})
    with ExitStack() as stack:
        a, b = (stack.enter_context(r2_service(folder / name, settings)) for name in "ab")
        # Now the second server knows them, and need not ask again for 30 seconds.
        assert [b.speak(name).hz for name in ("anna", "bert", "carl")] == [300, 400, 500]
        assert b.speak().hz == 220
        done = [a.replace("anna", 600), a.rename("bert", "bert2"), a.remove("carl")]
        done += [a.ask("POST", "/v1/voices/default", json={"voice_name": "dora"})]
        assert [answer.status for answer in done] == [200] * 4
        assert [a.speak(name).status for name in ("anna", "bert2", "bert", "carl")] == [200, 200, 404, 404]
        assert (a.speak("anna").hz, a.speak().hz) == (600, 300)
        looks: dict[str, Callable[[], bool]] = {
            "replaced": lambda: b.speak("anna").hz == 600,
            "renamed": lambda: b.speak("bert").status == 404,
            "renamed to": lambda: b.speak("bert2").status == 200,
            "removed": lambda: b.speak("carl").status == 404,
            "default": lambda: b.speak().hz == 300,
        }
        pool = stack.enter_context(ThreadPoolExecutor(len(looks)))
        seen = {what: pool.submit(until, look, within_s=SEEN_S, every_s=1.0) for what, look in looks.items()}
        yield Pair(a, b, seen)


def test_what_is_made_on_one_server_speaks_on_another_at_once(pair: Pair) -> None:
    """By name, alias and id, and in the voice of its clip."""
    for name, hz in {"erik": 400, "flora": 500}.items():
        created = pair.a.create(name, hz, aliases=f"{name}'s twin")
        assert created.status == 201, created.body
        for voice in (name, name.upper(), f"{name}'s twin", created.json()["voice"]["id"]):
            assert pair.b.speak(voice).hz == hz, voice


def test_of_two_servers_that_are_asked_for_a_name_at_once_one_makes_it(pair: Pair) -> None:
    """The other says that it is taken, and afterwards has the same voice."""
    barrier = threading.Barrier(2)

    def create_all(server: R2Service, hz: float) -> list[tuple[int, str]]:
        answers = []
        for number in range(NAMES):
            barrier.wait(60)
            answers.append(server.create(f"raced {number}", hz))
        return [(answer.status, answer.code) for answer in answers]

    with ThreadPoolExecutor(2) as pool:
        of_a, of_b = pool.map(create_all, (pair.a, pair.b), (300, 400))
    won, lost = (201, ""), (409, "name_taken")
    assert {frozenset(both) for both in zip(of_a, of_b, strict=True)} == {frozenset((won, lost))}
    _log.info("of %d names the first server made %d", NAMES, of_a.count(won))
    for number, answer in enumerate(of_a):
        hz = 300 if answer == won else 400
        assert [server.speak(f"raced {number}").hz for server in (pair.a, pair.b)] == [hz, hz]


def test_a_killed_server_loses_nothing_and_the_next_knows_everything(s3_server: S3Server, tmp_path: Path) -> None:
    settings = settings_for(s3_server, prefix=new_prefix())
    with r2_service(tmp_path / "a", settings) as a:
        made = [a.create(name, hz, aliases=f"{name}'s").status for name, hz in (("anna", 300), ("bert", 400))]
        changed = [a.rename("anna", "anna2").status, a.replace("bert", 500).status]
        default = a.ask("POST", "/v1/voices/default", json={"voice_name": "bert"}).status
        assert [*made, *changed, default] == [201, 201, 200, 200, 200]
        a.kill()
    with r2_service(tmp_path / "c", settings) as c:
        assert c.names() == ["anna2", "bert"]
        assert [c.speak(voice).hz for voice in ("anna2", "anna's", "bert", None)] == [300, 300, 500, 500]
        assert c.speak("anna").status == 404
    with r2_service(tmp_path / "a", settings) as again:
        assert again.names() == ["anna2", "bert"], "its own mirror has not been harmed"
        assert again.speak("bert's").hz == 500


# --- how it starts


def test_without_credentials_voices_stay_on_the_disk_and_one_line_says_so(tmp_path: Path) -> None:
    with r2_service(tmp_path / "a", {"SYNTHESIZER": "tone", "R2_BUCKET_NAME": "voices"}) as service:
        assert service.log.count("r2 is passed by") == 1
        assert "R2_ACCOUNT_ID, R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY are not set" in service.log
        assert "voices in local" in service.log
        assert service.create("anna", 300).status == 201
    assert (tmp_path / "a-data").is_dir()


@pytest.mark.parametrize("given", [("R2_ACCOUNT_ID",), ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"), tuple(KEYS)[1:2]])
def test_some_credentials_stop_the_start_and_name_the_missing(tmp_path: Path, given: tuple[str, ...]) -> None:
    done = command("serve", folder=tmp_path, settings={name: KEYS[name] for name in given} | {"PORT": _port()})
    assert done.returncode == 3
    assert [name in done.stderr for name in KEYS] == [name not in given for name in KEYS], done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("R2_ACCOUNT_ID", "your-account-id"),
        ("R2_ACCESS_KEY_ID", "<access key id>"),
        ("R2_SECRET_ACCESS_KEY", "your_secret_access_key"),
        ("R2_BUCKET_NAME", "your-bucket-name"),
        ("R2_ENDPOINT", "example"),
    ],
)
def test_a_placeholder_stops_the_start_and_is_named(tmp_path: Path, name: str, value: str) -> None:
    done = command("serve", folder=tmp_path, settings={**KEYS, name: value, "PORT": _port()})
    assert done.returncode == 3
    assert f"{name}" in done.stderr
    assert "placeholder" in done.stderr


REFUSALS = {
    "403key": "does not accept the access key or its secret",
    "403signature": "does not accept the access key or its secret",
    "403": "has no right to use the bucket",
    "401": "does not accept the access key or its secret",
    "404bucket": "There is no bucket",
    "skew": "clock is wrong",
}


def test_what_a_server_refuses_for_good_stops_the_start_with_the_reason(s3_server: S3Server, tmp_path: Path) -> None:
    settings = settings_for(s3_server, prefix=new_prefix())

    def start(fault: str) -> CompletedProcess[str]:
        with FaultProxy(s3_server.url) as proxy:
            proxy.fault = fault
            return command("serve", folder=tmp_path, settings=settings | {"R2_ENDPOINT": proxy.url, "PORT": _port()})

    with ThreadPoolExecutor(2) as pool:
        for fault, done in zip(REFUSALS, pool.map(start, REFUSALS), strict=True):
            assert (done.returncode, REFUSALS[fault] in done.stderr) == (3, True), (fault, done.stderr)


def test_a_wrong_secret_and_a_wrong_bucket_stop_the_start(s3_server: S3Server, tmp_path: Path) -> None:
    """Of the server itself: moto only verifies when it is told to."""
    right = settings_for(s3_server, prefix=new_prefix())
    wrong = right | {"R2_SECRET_ACCESS_KEY": "wrong-" + "0123456789abcdef" * 4}
    nowhere = right | {"R2_BUCKET_NAME": "not-there"}
    with ExitStack() as stack:
        if s3_server.name == "moto":
            wrong["R2_ENDPOINT"] = stack.enter_context(moto(closed=True)).url
        pool = stack.enter_context(ThreadPoolExecutor(2))
        tried = [(("serve",), nowhere), (("serve",), wrong), (("doctor",), wrong), (("plugins", "--json"), wrong)]
        done = [
            pool.submit(command, *arguments, folder=tmp_path, settings=settings | {"PORT": _port()})
            for arguments, settings in tried
        ]
        no_bucket, refused, examined, found = (future.result() for future in done)
    assert (no_bucket.returncode, "There is no bucket not-there" in no_bucket.stderr) == (3, True), no_bucket.stderr
    reason = "does not accept the access key or its secret"
    assert (refused.returncode, reason in refused.stderr) == (3, True), refused.stderr
    assert (examined.returncode, reason in examined.stdout) == (1, True), examined.stdout
    assert reason in found.stdout


async def test_a_key_is_in_no_repr(s3_server: S3Server) -> None:
    connection = connection_to(s3_server, prefix=new_prefix())
    async with open_store(s3_server, prefix=connection.prefix) as store:
        seen: list[Any] = [
            connection,
            store,
            vars(store),
            *(vars(value) for value in vars(store).values() if _has(value)),
        ]
        shown = " ".join(map(repr, seen))
    assert s3_server.bucket in shown
    assert s3_server.access_key_id not in shown
    assert s3_server.secret_access_key not in shown


def _port() -> str:
    return str(free_port())


def _has(value: object) -> bool:
    return hasattr(value, "__dict__")


def test_it_starts_while_the_bucket_is_unavailable_and_is_ready_soon_after_that(
    s3_server: S3Server, proxy: FaultProxy, tmp_path: Path
) -> None:
    prefix = new_prefix()
    stock(s3_server, prefix=prefix, voices={"anna": 300})
    settings = settings_for(s3_server, prefix=prefix, url=proxy.url)
    proxy.fault = "down"
    pool = ThreadPoolExecutor(1)
    with r2_service(tmp_path / "a", settings, ready=False) as service, pool:
        examined = pool.submit(command, "doctor", folder=tmp_path, settings=settings | {"PORT": _port()})
        assert_unavailable(service.get("/ready"), "storage_unreachable")
        assert service.get("/health").status == 200
        assert service.speak_like(500).hz == 500
        assert_unavailable(service.speak("anna"), "storage_unreachable")
        # Which voice is the default is the library's to say: the engine's own might be the wrong one.
        assert_unavailable(service.speak(), "storage_unreachable")
        assert_unavailable(service.create("bert", 400), "storage_unreachable")
        assert "voices cannot be read from the bucket yet" in service.log
        assert "cannot be reached" in examined.result().stdout
        proxy.fault = "pass"
        took_s = until(lambda: service.get("/ready").status == 200, within_s=BACK_S)
        _log.info("ready %.1f s after the server came", took_s)
        assert (service.speak("anna").hz, service.speak().hz) == (300, 220)
        assert service.create("bert", 400).status == 201
    proxy.fault = "down"
    with r2_service(tmp_path / "a", settings, ready=False) as again:
        assert again.names() == ["anna", "bert"], "the mirror has outlived the process"
        assert again.speak().hz == 220
        assert_unavailable(again.speak("anna"), "storage_unreachable")


def assert_unavailable(answer: Answer, code: str) -> None:
    assert (answer.status, answer.code) == (503, code), answer.body
    assert answer.retry_after_s is not None
    assert answer.took_s < 10


# --- how little it asks


def test_a_cached_voice_asks_nothing_of_the_bucket(s3_server: S3Server, proxy: FaultProxy, tmp_path: Path) -> None:
    with r2_service(tmp_path / "a", settings_for(s3_server, prefix=new_prefix(), url=proxy.url)) as service:
        voice_id = service.create("anna", 300, aliases="mum").json()["voice"]["id"]
        watch = Watch(proxy)
        watch.quiet()
        assert service.speak("anna").hz == 300
        assert [service.speak(voice).status for voice in ("anna", "mum", voice_id) * 10] == [200] * 30
        assert [request.target for request in watch] == []


def test_many_first_requests_of_one_voice_fetch_its_clip_once(
    s3_server: S3Server, proxy: FaultProxy, tmp_path: Path
) -> None:
    prefix = new_prefix()
    stock(s3_server, prefix=prefix, voices={"anna": 300})
    settings = settings_for(s3_server, prefix=prefix, url=proxy.url)
    with r2_service(tmp_path / "a", settings) as service, ThreadPoolExecutor(64) as pool:
        watch = Watch(proxy)
        answers = list(pool.map(service.speak, ["anna"] * 64))
        assert Counter(answer.status for answer in answers) == {200: 64}
        assert {answer.hz for answer in answers[:8]} == {300}
        assert len([request for request in watch if is_clip(request)]) == 1


# --- and in the end


def test_what_is_changed_on_one_server_is_seen_by_another_within_30_seconds(pair: Pair) -> None:
    """Replaced, renamed, removed, which voice is the default, and the list of all."""
    took = {what: round(future.result(), 1) for what, future in pair.seen.items()}
    _log.info("seen after, in seconds: %s", took)
    until(lambda: pair.a.names() == pair.b.names(), within_s=SEEN_S, every_s=1.0)
    assert {"anna", "bert2", "dora"} <= set(pair.b.names())
    assert not {"bert", "carl"} & set(pair.b.names())
