"""What voices in a bucket cost: requests, clips beside other clients, names and pages from the mirror.

    hatch run bench-s3:r2 [--clips 256 --rounds 30 --voices 10000]

Uses the server that R2_TEST_ENDPOINT names, under a prefix of its own, where it leaves what it wrote. It measures

    requests    how many reach the bucket for a voice that is cached, and for 64 who want one that is not
    clips       of 1 MB, 1, 16 and 64 at once: R2Store.audio, which checks the SHA-256 in a thread, beside obstore
                and aioboto3, each with hashlib in a thread; `copied` is obstore too, with the copy from its buffer
                to the bytes that the store owes its callers
    mirror      a voice by its name, and a page of voices, while what is known is fresh

The store makes one request of all who want the same clip, so all that are under way at once are of different ones.
In each round every client reads a quarter of the clips, and in the next round another quarter. None of the clients
keeps a clip; the server has all of them in the system's cache, for whoever asks. The clients take turns in each round,
in changing order, and what is compared are rates of the same round. The server shares the processors with them and
takes most of them, so the time that the client's process needs of a processor is shown too.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import hashlib
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from unittest import mock

import aioboto3  # type: ignore[import-not-found]
from aiobotocore.config import AioConfig  # type: ignore[import-not-found]
from obstore import Bytes
from obstore.store import S3Store

from chatterbox_api_cache_memory.clip_cache import IdleCache
from chatterbox_api_core import VoiceLibrary
from chatterbox_api_core.reference import WavReader
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceDraft
from chatterbox_api_core.voices.clip_cache import ClipCache
from chatterbox_api_core.voices.revisions import created
from chatterbox_api_storage_r2.layout import CLIPS, Record, Versioned, voice_id_of
from chatterbox_api_storage_r2.mirror import Mirror
from chatterbox_api_storage_r2.obstore_bucket import ObstoreBucket
from chatterbox_api_storage_r2.reader import Freshness
from chatterbox_api_storage_r2.settings import Connection
from chatterbox_api_storage_r2.store import R2Store

SIZE_BYTES: Final = 1_000_000
AT_ONCE: Final = (1, 16, 64)
FRESHNESS: Final = Freshness(fresh_s=3600.0)
CACHED: Final = 1000
LOOKUPS: Final = 3000
PAGES: Final = 300


@dataclass(frozen=True)
class Clip:
    """A voice, and the whole key of its clip."""

    voice: Voice
    key: str


Fetch: TypeAlias = Callable[[Clip], Awaitable[object]]


@asynccontextmanager
async def opened(connection: Connection, mirror_path: Path) -> AsyncGenerator[R2Store, None]:
    """The store, once its mirror, a new one, knows all voices: then nothing goes on in the background."""
    async with R2Store.open(connection, mirror_path=mirror_path, freshness=FRESHNESS) as store:
        await store.list(limit=1)
        yield store


async def fill(connection: Connection, folder: Path, count: int) -> list[Clip]:
    gate = asyncio.Semaphore(16)

    async def add(number: int) -> Voice:
        async with gate:
            data = secrets.token_bytes(SIZE_BYTES)
            return await store.add(VoiceDraft(f"Voice {number}"), VoiceAudio(data, sha256(data), 5.0))

    began = time.perf_counter()
    async with opened(connection, folder / "fill.db") as store:
        voices = await asyncio.gather(*(add(number) for number in range(count)))
    async with ObstoreBucket.open(connection) as bucket:
        keys = {voice_id_of(each.key): each.key async for page in bucket.list(CLIPS) for each in page}
    print(f"{count} voices with clips of 1 MB added in {time.perf_counter() - began:.1f} s")
    return [Clip(voice, f"{connection.prefix}/{keys[voice.id]}") for voice in voices]


# --- requests


async def measure_requests(connection: Connection, folder: Path, voice: Voice) -> None:
    async with opened(connection, folder / "requests.db") as store:
        clips = ClipCache(IdleCache(max_bytes=2**28, idle_s=3600))
        library = VoiceLibrary(store=store, clip_reader=WavReader(), clips=clips)

        async def request() -> None:
            await library.read_clip(await library.get(voice.name.upper()))

        with counted() as asked:
            await asyncio.gather(*(request() for _ in range(max(AT_ONCE))))
        print(f"requests  by {max(AT_ONCE)} at once who want a clip first   {told(asked)}")
        with counted() as asked:
            for _ in range(CACHED):
                await request()
        print(f"requests  by {CACHED} who want it then           {told(asked)}")


@contextmanager
def counted() -> Generator[collections.Counter[str], None, None]:
    """What is asked of any bucket during the block."""
    asked: collections.Counter[str] = collections.Counter()

    def counting(name: str) -> Callable[..., Any]:
        call = getattr(S3Store, name)

        def counting_call(self: S3Store, key: str | None = None, *arguments: Any, **options: Any) -> Any:
            folder = next((part for part in (key or "").split("/")[1:-1]), "")
            asked[f"{name.removesuffix('_async')} {folder}".strip()] += 1
            return call(self, key, *arguments, **options)

        return counting_call

    names = ("get_async", "put_async", "delete_async", "list")
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(S3Store, name, counting(name)))
        yield asked


def told(asked: collections.Counter[str]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in asked.items()) or "none"


# --- clips


async def measure_clips(connection: Connection, folder: Path, clips: Sequence[Clip], rounds: int) -> None:
    part = len(clips) // 4
    for at_once in AT_ONCE:
        async with AsyncExitStack() as stack:
            fetches: dict[str, Fetch] = {
                "store": through_store(
                    await stack.enter_async_context(opened(connection, folder / f"clips-{at_once}.db"))
                ),
                "obstore": through_obstore(connection, whole=lambda body: body),
                "copied": through_obstore(connection, whole=bytes),
                "aioboto3": await stack.enter_async_context(through_aioboto3(connection)),
            }
            names = list(fetches)
            rates: dict[str, list[float]] = {name: [] for name in names}
            busy: dict[str, list[float]] = {name: [] for name in names}
            for number in range(-1, rounds):  # the first one, in which connections are made, does not count
                for turn in range(len(names)):
                    name = names[(number + turn) % len(names)]
                    begin = turn * part
                    before_s = time.process_time()
                    rate = await clips_per_s(fetches[name], clips[begin : begin + part], at_once)
                    if number >= 0:
                        rates[name].append(rate)
                        busy[name].append((time.process_time() - before_s) / part * 1000)
        for name, values in rates.items():
            ratios = sorted(value / base for value, base in zip(values, rates["obstore"], strict=True))
            low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
            print(
                f"clips  {at_once:2} at once  {name:8} {statistics.median(values):6.0f} per s   "
                f"{statistics.median(ratios):5.3f} x obstore   (8 rounds of 10: {low:.2f} to {high:.2f})   "
                f"{statistics.median(busy[name]):5.2f} ms of a processor each"
            )


async def clips_per_s(fetch: Fetch, clips: Sequence[Clip], at_once: int) -> float:
    left = iter(clips)

    async def work() -> None:
        for clip in left:
            await fetch(clip)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return len(clips) / (time.perf_counter() - began)


def through_store(store: R2Store) -> Fetch:
    return lambda clip: store.read_clip(clip.voice)


def through_obstore(connection: Connection, *, whole: Callable[[Bytes], bytes | Bytes]) -> Fetch:
    """With the options that the store gives it, as far as they matter for speed."""

    def checked(clip: Clip, body: Bytes) -> bytes | Bytes:
        data = whole(body)
        check(clip, sha256(data))
        return data

    store = S3Store(
        connection.bucket,
        endpoint=connection.endpoint,
        region=connection.region,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": connection.endpoint.startswith("http://")},
    )

    async def fetch(clip: Clip) -> bytes | Bytes:
        body = await (await store.get_async(clip.key)).bytes_async()
        return await asyncio.to_thread(checked, clip, body)

    return fetch


@asynccontextmanager
async def through_aioboto3(connection: Connection) -> AsyncGenerator[Fetch, None]:
    config = AioConfig(
        max_pool_connections=max(AT_ONCE),
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=connection.endpoint,
        region_name=connection.region,
        aws_access_key_id=connection.access_key_id,
        aws_secret_access_key=connection.secret_access_key,
        config=config,
    ) as client:

        async def fetch(clip: Clip) -> bytes:
            answer = await client.get_object(Bucket=connection.bucket, Key=clip.key)
            async with answer["Body"] as body:
                data: bytes = await body.read()
            check(clip, await asyncio.to_thread(sha256, data))
            return data

        yield fetch


def check(clip: Clip, found: str) -> None:
    if found != clip.voice.sha256:
        raise ValueError("this is not the clip that was written")


def sha256(data: bytes | Bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- mirror


async def measure_mirror(connection: Connection, folder: Path, size: int) -> None:
    """The voices are put into the mirror alone, whose file may be shared: the bucket needs no 10,000 writes."""
    audio = VoiceAudio(b"", sha256(b""), 5.0)
    voices = [created(VoiceDraft(f"Mirrored {number}", (f"alias {number}",)), audio) for number in range(size)]
    async with opened(connection, folder / "mirror.db") as store:
        async with Mirror.open(folder / "mirror.db") as mirror:
            now = time.time()
            for begin in range(0, size, 500):
                part = voices[begin : begin + 500]
                await mirror.keep_many((voice.id, Versioned(Record(1, voice, "clip"), '"1"'), now) for voice in part)
            await mirror.keep_listed_at(now)
        ids = sorted(voice.id for voice in voices)

        async def name(number: int) -> None:
            index = number * 7919 % size
            found = await store.get_by_name(f"ALIAS {index}" if number % 2 else f"mirrored {index}")
            assert found == voices[index]

        def page(limit: int) -> Callable[[int], Awaitable[None]]:
            async def read(number: int) -> None:
                found = await store.list(after=ids[number * 7919 % (size - limit)], limit=limit)
                assert len(found) == limit

            return read

        async def thread(number: int) -> None:
            await asyncio.to_thread(int)

        with counted() as asked:
            for what, work, count in (
                ("thread", thread, LOOKUPS),
                ("name", name, LOOKUPS),
                ("page of 100", page(100), PAGES),
                ("page of 1000", page(1000), PAGES),
            ):
                taken = [await seconds(work(number)) for number in range(count)]
                print(f"mirror  {size} voices  {what:13} {quantiles(taken)}")
        print(f"mirror  {size} voices  requests to the bucket: {told(asked)}")


async def seconds(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def quantiles(taken: Sequence[float]) -> str:
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return "   ".join(
        f"{what} {cuts[at - 1] * 1000:7.3f} ms" for what, at in (("median", 50), ("p95", 95), ("p99", 99))
    )


async def measure(options: argparse.Namespace) -> None:
    connection = Connection(
        os.environ["R2_TEST_ENDPOINT"],
        os.environ["R2_TEST_BUCKET"],
        os.environ["R2_TEST_ACCESS_KEY_ID"],
        os.environ["R2_TEST_SECRET_ACCESS_KEY"],
        prefix=f"bench-{secrets.token_hex(6)}",
    )
    with tempfile.TemporaryDirectory() as folder:
        clips = await fill(connection, Path(folder), options.clips)
        await measure_requests(connection, Path(folder), clips[0].voice)
        await measure_clips(connection, Path(folder), clips, options.rounds)
        await measure_mirror(connection, Path(folder), options.voices)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--voices", type=int, default=10_000)
    options = parser.parse_args()
    if options.clips < 4 * max(AT_ONCE) or options.voices <= 1000:
        parser.error(f"--clips must be {4 * max(AT_ONCE)} or more, and --voices more than 1000")
    asyncio.run(measure(options))


if __name__ == "__main__":
    main()
