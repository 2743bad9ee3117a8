"""Whatever fails, what has been acknowledged stays whole, what has failed leaves nothing, and the error says why."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from storage_local.faults import FaultyFiles, mount, small_disk

from chatterbox_api_core.errors import ChatterboxError, NotFound, StorageFailed, Unavailable
from chatterbox_api_core.types import VoiceChanges, VoiceDraft
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit.voice_store_concurrency import clip

Library = dict[str, int]
"""The seed of the clip of each name."""

CODES = {
    errno.ENOSPC: (StorageFailed, "storage_full"),
    errno.EDQUOT: (StorageFailed, "storage_full"),
    errno.EROFS: (StorageFailed, "storage_read_only"),
    errno.EACCES: (StorageFailed, "storage_read_only"),
    errno.EIO: (Unavailable, "storage_unavailable"),
    errno.ENOENT: (Unavailable, "storage_unavailable"),
}


async def run_all(store: LocalStore) -> tuple[Library, list[ChatterboxError]]:
    """One of everything, each with the library it leads to; what fails has changed nothing."""
    library: Library = {}
    errors: list[ChatterboxError] = []

    async def attempt(call: Callable[[], Awaitable[object]], after: Library) -> None:
        nonlocal library
        try:
            await call()
        except (StorageFailed, Unavailable) as error:
            errors.append(error)
            await check(store, library)
        except NotFound:
            pass  # its voice could not be added
        else:
            library = after

    async def id_of(name: str) -> str:
        voice = await store.get_by_name(name)
        return "" if voice is None else voice.id

    await attempt(lambda: store.add(VoiceDraft("Anna"), clip(1)), {"Anna": 1})
    await attempt(lambda: store.add(VoiceDraft("Bert"), clip(2)), library | {"Bert": 2})
    anna, bert = await id_of("Anna"), await id_of("Bert")
    await attempt(lambda: store.replace(anna, clip(3)), library | {"Anna": 3})
    renamed = {("Anne" if name == "Anna" else name): seed for name, seed in library.items()}
    await attempt(lambda: store.update(anna, VoiceChanges(name="Anne")), renamed)
    await attempt(lambda: store.remove(bert), {name: seed for name, seed in library.items() if name != "Bert"})
    if "Bert" not in library:
        await attempt(lambda: store.add(VoiceDraft("Bert"), clip(4)), library | {"Bert": 4})
    return library, errors


async def check(store: LocalStore, library: Library) -> None:
    voices = {voice.name: voice for voice in await store.list()}
    assert set(voices) == set(library)
    for name, seed in library.items():
        assert await store.get_by_name(name) == voices[name]
        assert await store.read_clip(voices[name]) == clip(seed).data
    for name in {"Anna", "Anne", "Bert"} - set(library):
        assert await store.get_by_name(name) is None


async def operations(folder: Path) -> int:
    files = FaultyFiles()
    async with LocalStore.open(folder, files=files) as store:
        files.arm(fail_at=0, error=0)
        library, errors = await run_all(store)
    assert library == {"Anne": 3, "Bert": 4}
    assert not errors
    assert len(list((folder / "audio").iterdir())) == 2, "old clips are removed at once"
    return files.count


@pytest.mark.parametrize("error", CODES, ids=errno.errorcode.get)
async def test_any_file_operation_may_fail(tmp_path: Path, error: int) -> None:
    count = await operations(tmp_path / "whole")
    assert count > 20
    failed = set()
    for number in range(1, count + 1):
        folder = tmp_path / str(number)
        files = FaultyFiles()
        async with LocalStore.open(folder, files=files) as store:
            files.arm(fail_at=number, error=error)
            library, errors = await run_all(store)
        failed.add(files.failed)
        if files.failed == "unlink":
            assert not errors, "a file that cannot be removed is no failure"
        else:
            kind, code = CODES[error]
            assert [(type(each), each.code, each.field) for each in errors] == [(kind, code, "VOICE_LIBRARY_DIR")]
            assert errors[0].remedy
            assert str(folder) not in str(errors[0])
        async with LocalStore.open(folder, sweep_age_s=-10) as store:
            await check(store, library)
        assert len(list((folder / "audio").iterdir())) == len(library), "nothing is left over"
    assert failed == {"create", "write", "fsync", "rename", "fsync_folder", "unlink"}


async def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    for operation in ("write", "fsync", "rename", "fsync_folder"):
        files = FaultyFiles()
        async with LocalStore.open(tmp_path / operation, files=files) as store:
            files.always, files.error = operation, errno.ENOSPC
            with pytest.raises(StorageFailed):
                await store.add(VoiceDraft("Anna"), clip(1))
            assert list((tmp_path / operation / "audio").iterdir()) == []


async def test_a_full_disk_refuses_writes_and_serves_reads(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size_kib=1024) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(300_000))
        async with LocalStore.open(disk / "voices") as store:
            library: Library = {}
            try:
                for seed in range(1000):
                    await store.add(VoiceDraft(f"v{seed}"), clip(seed, size_bytes=1000))
                    library[f"v{seed}"] = seed
            except StorageFailed as error:
                assert error.code == "storage_full"
            assert 10 < len(library) < 1000
            failures = 0
            for _ in range(1000):  # the database alone
                try:
                    voice = await store.update((await store.list())[0].id, VoiceChanges(consent="x" * 100_000))
                    voice = await store.update(voice.id, VoiceChanges(consent=None))
                except StorageFailed as error:
                    assert error.code == "storage_full"
                    failures += 1
                    if failures > 3:
                        break
            assert failures
            assert len(list((disk / "voices" / "audio").iterdir())) == len(library)
            for name, seed in library.items():
                found = await store.get_by_name(name)
                assert found is not None
                assert await store.read_clip(found) == clip(seed, size_bytes=1000).data
            await store.ready()
            ballast.unlink()
            await store.add(VoiceDraft("late"), clip(1))
        async with LocalStore.open(disk / "voices") as store:
            assert len(await store.list(limit=1000)) == len(library) + 1


async def test_a_disk_that_is_full_from_the_start_is_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size_kib=512) as disk:
        async with LocalStore.open(disk / "voices") as store:
            voice = await store.add(VoiceDraft("Anna"), clip(1))
        fill(disk / "ballast")
        async with LocalStore.open(disk / "voices") as store:
            assert await store.get_by_name("anna") == voice
            assert await store.read_clip(voice) == clip(1).data
            await store.ready()
            with pytest.raises(StorageFailed) as caught:
                await store.add(VoiceDraft("Bert"), clip(2, size_bytes=10_000))
            assert caught.value.code == "storage_full"


async def test_a_disk_that_becomes_read_only_is_read(tmp_path: Path) -> None:
    """Also when it is opened anew, where not even SQLite's shared memory can be made."""
    with small_disk(tmp_path / "disk", size_kib=1024) as disk:
        async with LocalStore.open(disk / "voices") as store:
            voice = await store.add(VoiceDraft("Anna"), clip(1))
        mount("-o", "remount,ro", str(disk))
        async with LocalStore.open(disk / "voices") as store:
            await refuses_writes_and_reads(store)
        mount("-o", "remount,rw", str(disk))
        async with LocalStore.open(disk / "voices") as store:
            await store.update(voice.id, VoiceChanges(language="de"))


async def refuses_writes_and_reads(store: LocalStore) -> None:
    voice = await store.get_by_name("anna")
    assert voice is not None
    assert await store.read_clip(voice) == clip(1).data
    assert await store.list() == (voice,)
    await store.ready()
    for call in (
        store.add(VoiceDraft("Bert"), clip(2)),
        store.replace(voice.id, clip(2)),
        store.update(voice.id, VoiceChanges(language="de")),
        store.set_default(voice.id),
        store.remove(voice.id),
    ):
        with pytest.raises(StorageFailed) as caught:
            await call
        assert (caught.value.code, caught.value.field) == ("storage_read_only", "VOICE_LIBRARY_DIR")
    assert await store.get(voice.id) == voice


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.EPERM], ids=errno.errorcode.get)
async def test_a_folder_without_permission_to_write_is_read(tmp_path: Path, error: int) -> None:
    async with LocalStore.open(tmp_path) as store:
        await store.add(VoiceDraft("Anna"), clip(1))
    async with LocalStore.open(tmp_path, files=FaultyFiles(error=error, always="create")) as store:
        await refuses_writes_and_reads(store)


async def test_a_cancelled_write_that_fails_is_silent(tmp_path: Path) -> None:
    """Nothing is logged of an error that nobody waits for; the cancelled call ends when the write has."""
    files = FaultyFiles()
    async with LocalStore.open(tmp_path, files=files) as store:
        files.always = "fsync_folder"
        for delay_s in (0.0, 0.0005, 0.002, 0.005):
            task = asyncio.create_task(store.add(VoiceDraft("Anna"), clip(1, size_bytes=200_000)))
            await asyncio.sleep(delay_s)
            task.cancel()
            await asyncio.wait([task])
            assert list((tmp_path / "audio").iterdir()) == []
        files.always = ""
        await store.add(VoiceDraft("Anna"), clip(1))


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
