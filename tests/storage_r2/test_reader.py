"""Reading: when the bucket is asked, when it is not, and what is answered while it is unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from storage_r2.reading import AUDIO, a_voice, body_of, key_of, scene, versioned

from chatterbox_api_core.errors import StorageFailed, Unavailable
from chatterbox_api_core.types import Voice, VoiceChanges, VoiceDraft
from chatterbox_api_storage_r2.bucket import StoredObject
from chatterbox_api_storage_r2.layout import DEFAULT, LIBRARY, Record, Versioned, claim_key


async def test_what_is_fresh_needs_no_network() -> None:
    async with scene() as it:
        anna = await it.known("Anna", "Ännchen")
        it.clock.now += 29.9
        assert voice_of(await it.reader.get(anna.id)) == voice_of(await it.reader.find("ännchen")) == anna
        assert it.requests() == 0


async def test_what_is_not_fresh_is_asked_for_once_and_then_fresh() -> None:
    async with scene() as it:
        anna = await it.known("Anna")
        it.clock.now += 30.1
        assert voice_of(await it.reader.get(anna.id)) == anna
        assert voice_of(await it.reader.get(anna.id)) == anna
        assert it.bucket.keys == [key_of(anna)]


async def test_what_another_server_has_changed_is_seen_once_it_is_not_fresh() -> None:
    async with scene() as it:
        anna, berta = await it.known("Anna"), await it.known("Berta")
        await it.other.update(anna.id, VoiceChanges(name="Carla"))
        await it.other.remove(berta.id)
        assert voice_of(await it.reader.get(berta.id)) == berta
        it.clock.now += 30.1
        assert voice_of(await it.reader.get(anna.id)).name == "Carla"
        assert await it.reader.get(berta.id) is None
        assert await it.reader.find("berta") is None
        assert await it.reader.find("anna") is None
        assert voice_of(await it.reader.find("carla")).id == anna.id


async def test_a_clock_that_goes_back_makes_nothing_fresh() -> None:
    async with scene() as it:
        anna = await it.known("Anna")
        it.clock.now -= 3600
        assert await it.reader.get(anna.id)
        assert it.requests() == 1
        it.clock.now -= 3600
        it.bucket.down = True
        assert voice_of(await it.reader.get(anna.id)) == anna


async def test_after_a_restart_voices_are_found_without_the_network(tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    async with scene(path) as it:
        anna = await it.known("Anna")
        await it.reader.page(None, 10)
        bucket = it.bucket
    bucket.down = True
    async with scene(path, bucket=bucket) as it:
        assert voice_of(await it.reader.get(anna.id)) == voice_of(await it.reader.find("anna")) == anna
        assert await it.reader.page(None, 10) == (anna,)
        assert it.requests() == 0


async def test_a_new_voice_of_another_server_is_there_at_once() -> None:
    async with scene() as it:
        await it.reader.page(None, 10)
        anna = await it.add("Anna", "Ännchen")
        assert voice_of(await it.reader.find("ännchen")) == anna
        assert it.bucket.keys == [claim_key("ännchen"), key_of(anna)]
        berta = await it.add("Berta")
        assert voice_of(await it.reader.get(berta.id)) == berta


async def test_an_unknown_id_or_name_is_asked_for_each_time() -> None:
    async with scene() as it:
        for _ in range(2):
            assert await it.reader.find("nobody") is None
            assert await it.reader.get(a_voice().id) is None
        assert it.requests() == 4
        assert await it.reader.get("../library") is None
        assert it.requests() == 4


async def test_a_new_name_is_found_although_the_voice_is_fresh_here() -> None:
    async with scene() as it:
        anna = await it.known("Anna")
        await it.other.update(anna.id, VoiceChanges(name="Berta"))
        assert voice_of(await it.reader.find("berta")).id == anna.id


async def test_a_name_that_moved_is_found_at_its_new_voice() -> None:
    async with scene() as it:
        old = await it.known("Anna")
        await it.other.update(old.id, VoiceChanges(name="Other"))
        new = await it.add("Anna")
        it.clock.now += 30.1
        assert voice_of(await it.reader.find("anna")).id == new.id


async def test_a_claim_that_does_not_count_finds_nobody() -> None:
    async with scene() as it:
        anna = await it.add("Anna")
        it.bucket.put(claim_key("berta"), {"voice": anna.id, "name": "berta"})
        it.bucket.put(claim_key("carla"), {"voice": ["no", "id"], "name": "carla"})
        assert await it.reader.find("berta") is None
        assert await it.reader.find("carla") is None


async def test_own_writes_are_read_without_the_network() -> None:
    async with scene() as it:
        anna = a_voice("Anna")
        await it.reader.wrote(anna.id, versioned(1, anna))
        await it.reader.wrote_default(anna.id)
        assert voice_of(await it.reader.find("anna")) == await it.reader.default() == anna
        await it.reader.wrote(anna.id, versioned(2, None))
        assert await it.reader.get(anna.id) is None
        assert await it.reader.default() is None
        await it.reader.wrote_default(None)
        assert await it.reader.default() is None
        assert it.requests() == 0


async def test_an_own_write_that_was_written_over_is_asked_for_again() -> None:
    async with scene() as it:
        anna = await it.add("Anna")
        await it.reader.wrote(anna.id, Versioned(Record(1, anna, "clips/x"), ""))
        assert voice_of(await it.reader.get(anna.id)) == anna
        assert it.requests() == 1
        await it.reader.wrote(anna.id, Versioned(Record(2, anna, "clips/x"), ""))
        it.bucket.down = True
        assert voice_of(await it.reader.get(anna.id)) == anna


@pytest.mark.parametrize("how", ["stale", "unknown", "by name"])
async def test_64_who_wait_are_one_request_and_leaving_takes_nothing_from_others(how: str) -> None:
    async with scene() as it:
        anna = await (it.known if how == "stale" else it.add)("Anna")
        it.clock.now += 31
        it.bucket.hold = asyncio.Event()
        read: Callable[[], Awaitable[Record | None]]
        read = (lambda: it.reader.find("anna")) if how == "by name" else (lambda: it.reader.get(anna.id))
        tasks = [asyncio.ensure_future(read()) for _ in range(64)]
        await it.bucket.asked(1)
        for _ in range(20):
            await it.mirror.library_id()
        for task in tasks[:63]:
            task.cancel()
        await asyncio.wait(tasks[:63])
        it.bucket.hold.set()
        assert voice_of(await tasks[63]) == anna
        assert it.bucket.keys == ([claim_key("anna")] if how == "by name" else []) + [key_of(anna)]


async def test_a_late_old_answer_undoes_nothing() -> None:
    """Neither here nor in the mirror, and not for the one who waited for it either."""
    async with scene() as it:
        anna = await it.known("Anna")
        it.clock.now += 31
        changed = await it.other.update(anna.id, VoiceChanges(name="Berta"))
        it.forget_requests()
        it.bucket.hold = asyncio.Event()
        waiting = asyncio.create_task(it.reader.get(anna.id))
        await it.bucket.asked(1)
        hold, it.bucket.hold = it.bucket.hold, None
        removed = await it.other.remove(anna.id)
        assert changed.record.version < removed.record.version
        await it.reader.wrote(anna.id, removed)
        hold.set()
        assert await waiting is None
        assert await it.reader.get(anna.id) is None
        assert await it.reader.find("berta") is None


async def test_while_the_bucket_is_unavailable_the_last_known_state_speaks_for_a_while() -> None:
    async with scene() as it:
        anna = await it.known("Anna")
        await it.reader.wrote_default(anna.id)
        await it.reader.page(None, 10)
        it.bucket.down = True
        it.clock.now += 3600
        assert voice_of(await it.reader.get(anna.id)) == voice_of(await it.reader.find("anna")) == anna
        assert await it.reader.default() == anna
        assert await it.reader.page(None, 10) == (anna,)
        it.clock.now += 1
        for read in (it.reader.get(anna.id), it.reader.find("anna"), it.reader.default(), it.reader.page(None, 10)):
            with pytest.raises(Unavailable, match="does not answer"):
                await read


async def test_while_the_bucket_is_unavailable_nobody_is_said_not_to_be_there() -> None:
    async with scene() as it:
        await it.known("Anna")
        it.bucket.down = True
        for read in (it.reader.get(a_voice().id), it.reader.find("nobody"), it.reader.default()):
            with pytest.raises(Unavailable):
                await read


async def test_a_bucket_that_is_unavailable_is_tried_every_few_seconds_only() -> None:
    async with scene() as it:
        anna, berta = await it.known("Anna"), await it.known("Berta")
        it.clock.now += 31
        it.bucket.down = True
        for _ in range(10):
            assert await it.reader.get(anna.id)
            assert await it.reader.find("berta")
        assert it.requests() == 1
        it.clock.now += 5
        assert voice_of(await it.reader.get(berta.id)) == berta
        assert it.requests() == 2
        it.bucket.down = False
        with pytest.raises(AssertionError):  # what is not known is asked for, and shows that the bucket is back
            voice_of(await it.reader.find("nobody"))
        await it.reader.get(anna.id)
        assert it.requests() == 4


async def test_a_bucket_that_takes_too_long_is_waited_for_in_the_background() -> None:
    async with scene(revalidate_s=0.01) as it:
        anna, carla = await it.known("Anna"), await it.known("Carla")
        await it.other.update(anna.id, VoiceChanges(name="Berta"))
        it.forget_requests()
        it.clock.now += 31
        hold = it.bucket.hold = asyncio.Event()
        assert voice_of(await it.reader.get(anna.id)) == anna
        assert voice_of(await it.reader.get(carla.id)) == carla  # without another try
        assert it.bucket.keys == [key_of(anna)]
        hold.set()
        async with asyncio.timeout(30):
            while await it.mirror.find("berta") is None:
                await asyncio.sleep(0.001)
        assert voice_of(await it.reader.get(anna.id)).name == "Berta"
        assert it.bucket.keys == [key_of(anna)]


async def test_a_missing_document_ends_a_voice_if_the_library_is_ours() -> None:
    async with scene() as it:
        voices = [await it.known(f"name {i}") for i in range(20)]
        for voice in voices:
            del it.bucket.objects[key_of(voice)]
        it.clock.now += 31
        assert await asyncio.gather(*(it.reader.get(voice.id) for voice in voices)) == [None] * 20
        assert it.bucket.keys.count(LIBRARY) == 1
        assert await it.mirror.etags() == {}


@pytest.mark.parametrize("library", [None, {"library": "another"}, {}, "damaged"])
async def test_in_another_bucket_nothing_is_forgotten(library: dict[str, str] | str | None) -> None:
    async with scene() as it:
        anna = await it.known("Anna")
        await it.reader.page(None, 10)
        it.bucket.objects.clear()
        if isinstance(library, dict):
            it.bucket.put(LIBRARY, dict(library))
        elif library:
            it.bucket.put(LIBRARY, {"earlier": 1})
        it.clock.now += 31
        assert voice_of(await it.reader.get(anna.id)) == voice_of(await it.reader.find("anna")) == anna
        assert await it.reader.page(None, 10) == (anna,)
        with pytest.raises(Unavailable) as caught:
            await it.reader.refresh()
        assert caught.value.code == "storage_bucket_changed"
        assert it.bucket.keys.count(LIBRARY) == 1
        it.clock.now += 3600
        with pytest.raises(Unavailable) as caught:
            await it.reader.get(anna.id)
        assert caught.value.code == "storage_bucket_changed"
        assert list(await it.mirror.etags()) == [anna.id]


async def test_a_page_reads_what_has_changed_alone() -> None:
    async with scene() as it:
        voices = sorted([await it.add(f"name {i}") for i in range(100)], key=lambda voice: voice.id)
        assert await it.reader.page(None, 1000) == tuple(voices)
        assert 1 < it.bucket.most_at_once <= 32
        assert it.bucket.requests == {"get": 100, "list": 1}
        assert await it.reader.page(voices[49].id, 3) == tuple(voices[50:53])
        await it.other.remove(voices[0].id)
        await it.other.update(voices[1].id, VoiceChanges(name="changed"))
        it.forget_requests()
        assert len(await it.reader.page(None, 1000)) == 100
        assert it.requests() == 0
        it.clock.now += 31
        page = await it.reader.page(None, 1000)
        assert [voice.name for voice in page] == ["changed", *(voice.name for voice in voices[2:])]
        assert it.bucket.requests == {"get": 2, "list": 1}
        it.forget_requests()
        assert voice_of(await it.reader.get(voices[5].id)) == voices[5]
        assert it.requests() == 0


async def test_a_document_that_cannot_be_read_is_left_out_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    async with scene() as it:
        anna, berta, carla = await it.add("Anna"), await it.add("Berta"), await it.add("Carla")
        it.bucket.objects[key_of(berta)] = (b"{", it.bucket.objects[key_of(berta)][1])
        it.bucket.put(key_of(carla), {"schema": 2})
        for _ in range(3):
            assert await it.reader.page(None, 10) == (anna,)
            it.clock.now += 31
        assert sum(key_of(berta) in message for message in caplog.messages) == 1
        assert sum(key_of(carla) in message for message in caplog.messages) == 1
        with pytest.raises(StorageFailed):
            await it.reader.get(berta.id)
        it.bucket.put(key_of(berta), body_of(2, berta))
        assert set(await it.reader.page(None, 10)) == {anna, berta}


async def test_what_is_added_while_the_bucket_is_listed_stays() -> None:
    async with scene() as it:
        await it.known("Anna")
        old = await it.known("Old")
        it.clock.now += 31
        listing = it.bucket.list
        late: list[Voice] = []

        async def list_and_then_add(prefix: str):  # type: ignore[no-untyped-def]
            async for page in listing(prefix):
                yield page
            made = await it.other.add(VoiceDraft("New"), AUDIO)
            new = voice_of(made.record)
            await it.mirror.keep(new.id, made, checked_at=it.clock.now - 3600)  # whatever its clock says
            late.append(new)

        del it.bucket.objects[key_of(old)]
        it.bucket.list = list_and_then_add  # type: ignore[method-assign]
        await it.reader.refresh()
        assert list(await it.mirror.etags()).count(late[0].id) == 1
        assert await it.mirror.find("new") is not None
        assert await it.mirror.find("old") is None


async def test_a_listing_that_falls_short_forgets_nothing() -> None:
    async with scene() as it:
        anna = await it.known("Anna")

        async def nothing(prefix: str):  # type: ignore[no-untyped-def]
            yield ()

        it.bucket.list = nothing  # type: ignore[method-assign]
        it.clock.now += 31
        assert await it.reader.page(None, 10) == (anna,)


async def test_a_listing_that_breaks_off_forgets_nothing_and_is_not_taken_for_one() -> None:
    async with scene() as it:
        anna = await it.add("Anna")

        async def breaks_off(prefix: str):  # type: ignore[no-untyped-def]
            yield ()
            raise Unavailable("It broke off.")

        listing, it.bucket.list = it.bucket.list, breaks_off  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="broke off"):
            await it.reader.page(None, 10)
        assert await it.mirror.listed_at() is None
        it.bucket.list = listing  # type: ignore[method-assign]
        assert await it.reader.page(None, 10) == (anna,)


async def test_a_library_that_takes_long_to_read_says_how_far_it_is() -> None:
    async with scene(page_s=0.02) as it:
        for i in range(3):
            await it.add(f"name {i}")
        it.forget_requests()
        hold = it.bucket.hold = asyncio.Event()
        with pytest.raises(Unavailable, match="being read: 0 voices so far") as caught:
            await it.reader.page(None, 10)
        assert (caught.value.code, caught.value.retry_after_s) == ("storage_loading", 2)
        hold.set()
        await it.reader.refresh()
        assert len(await it.reader.page(None, 10)) == 3
        assert it.bucket.requests == {"get": 3, "list": 1}


async def test_64_pages_and_refreshes_are_one_listing() -> None:
    async with scene() as it:
        anna = await it.add("Anna")
        pages, _ = await asyncio.gather(
            asyncio.gather(*(it.reader.page(None, 10) for _ in range(64))),
            asyncio.gather(*(it.reader.refresh() for _ in range(64))),
        )
        assert set(pages) == {(anna,)}
        assert it.bucket.requests == {"get": 1, "list": 1}


async def test_a_slow_listing_speaks_for_itself_later() -> None:
    async with scene(revalidate_s=0.01, page_s=3600) as it, asyncio.timeout(60):
        anna = await it.add("Anna")
        assert await it.reader.page(None, 10) == (anna,)
        berta = await it.add("Berta")
        it.clock.now += 31
        hold = it.bucket.hold = asyncio.Event()
        assert await it.reader.page(None, 10) == (anna,)
        hold.set()
        await it.reader.refresh()
        assert set(await it.reader.page(None, 10)) == {anna, berta}


async def test_a_bucket_that_fails_on_documents_has_not_been_listed() -> None:
    async with scene() as it:
        await it.add("Anna")
        get = it.bucket.get

        async def fails(key: str, *, if_none_match: str | None = None) -> StoredObject | None:
            raise Unavailable("No documents today.")

        it.bucket.get = fails  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="No documents"):
            await it.reader.page(None, 10)
        assert await it.mirror.listed_at() is None
        it.bucket.get = get  # type: ignore[method-assign]
        assert len(await it.reader.page(None, 10)) == 1


@pytest.mark.parametrize("how", ["by id", "by name"])
async def test_who_comes_after_a_voice_was_made_gets_no_answer_from_before(how: str) -> None:
    """Even if that answer is on its way."""
    async with scene() as it:
        anna = a_voice("Anna")
        read: Callable[[], Awaitable[Record | None]]
        read = (lambda: it.reader.find("anna")) if how == "by name" else (lambda: it.reader.get(anna.id))
        hold = it.bucket.hold = asyncio.Event()
        before = asyncio.ensure_future(read())
        await it.bucket.asked(1)
        it.bucket.put(key_of(anna), body_of(1, anna))
        it.bucket.put(claim_key("anna"), {"voice": anna.id, "name": "anna"})
        after = asyncio.ensure_future(read())
        for _ in range(20):
            await it.mirror.library_id()
        hold.set()
        assert await before is None
        assert voice_of(await after) == anna


async def test_the_default_is_fresh_for_a_while_and_gone_with_its_voice() -> None:
    async with scene() as it:
        anna, berta = await it.known("Anna"), await it.known("Berta")
        assert await it.reader.default() is None
        await it.other.set_default(anna.id)
        assert await it.reader.default() is None
        it.clock.now += 31
        assert await it.reader.default() == anna
        await it.other.set_default(berta.id)
        it.forget_requests()
        assert await it.reader.default() == anna
        assert it.requests() == 0
        it.clock.now += 31
        assert await it.reader.default() == berta
        await it.other.remove(berta.id)
        it.clock.now += 31
        assert await it.reader.default() is None
        it.bucket.put(DEFAULT, {"voice": {"no": "id"}})
        it.clock.now += 31
        assert await it.reader.default() is None


async def test_closing_ends_what_goes_on() -> None:
    async with scene(revalidate_s=0.01) as it:
        anna = await it.known("Anna")
        it.clock.now += 31
        it.bucket.hold = asyncio.Event()
        assert await it.reader.get(anna.id)
        waiting = asyncio.create_task(it.reader.find("nobody"))
        await it.bucket.asked(2)
        await it.reader.close()
        with pytest.raises(Unavailable) as caught:
            await waiting
        assert caught.value.code == "storage_closed"
        assert it.bucket.at_once == 0


def voice_of(record: Record | None) -> Voice:
    assert record is not None
    assert record.voice is not None
    return record.voice
