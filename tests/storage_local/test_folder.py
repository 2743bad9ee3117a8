"""A folder that is not as it was left: damaged, linked, littered, from another version."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import pytest

from chatterbox_api_core.errors import ConfigurationError, NotFound, StorageFailed, Unavailable
from chatterbox_api_core.types import Voice, VoiceAudio, VoiceDraft
from chatterbox_api_storage_local import database
from chatterbox_api_storage_local.files import FileOperations
from chatterbox_api_storage_local.plugin import plugin
from chatterbox_api_storage_local.settings import voice_folder
from chatterbox_api_storage_local.store import LocalStore
from chatterbox_api_testkit.voice_store_concurrency import clip

OLD_S = 7200.0


async def one_voice(folder: Path) -> Voice:
    async with LocalStore.open(folder) as store:
        return await store.add(VoiceDraft("Anna"), clip(1))


def clip_file(folder: Path) -> Path:
    (file,) = (folder / "audio").iterdir()
    return file


def write_database(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "voices.db")
    with connection:
        connection.execute(statement)
    connection.close()


async def is_damaged(folder: Path, voice: Voice) -> None:
    async with LocalStore.open(folder) as store:
        with pytest.raises(StorageFailed) as caught:
            await store.read_clip(voice)
        assert (caught.value.code, caught.value.field) == ("voice_damaged", "voice")
        assert caught.value.remedy
        assert await store.get_by_name("anna") == voice, "the voice is still known"
        replaced = await store.replace(voice.id, clip(2))
        assert await store.read_clip(replaced) == clip(2).data, "and can be mended"


@pytest.mark.parametrize("damage", ["flipped", "truncated", "longer", "empty", "missing"])
async def test_a_damaged_clip_does_not_speak(tmp_path: Path, damage: str) -> None:
    voice = await one_voice(tmp_path)
    file, data = clip_file(tmp_path), clip(1).data
    if damage == "missing":
        file.unlink()
    else:
        flipped = bytes([data[0] ^ 1]) + data[1:]
        file.write_bytes({"flipped": flipped, "truncated": data[:-1], "longer": data + b"\0", "empty": b""}[damage])
    await is_damaged(tmp_path, voice)


@pytest.mark.parametrize("kind", ["link", "hard to open", "folder"])
async def test_a_clip_that_is_no_plain_file_is_not_read(tmp_path: Path, kind: str) -> None:
    """A link is not followed even to the right bytes, and a named pipe holds nobody up."""
    voice = await one_voice(tmp_path / "voices")
    file, outside = clip_file(tmp_path / "voices"), tmp_path / "outside"
    file.rename(outside)
    if kind == "link":
        file.symlink_to(outside)
    elif kind == "folder":
        file.mkdir()
    else:
        os.mkfifo(file)
    await is_damaged(tmp_path / "voices", voice)
    assert outside.read_bytes() == clip(1).data


@pytest.mark.parametrize("name", ["../../outside", "{outside}", "..", "", "voice_\0.wav"])
async def test_no_row_leads_outside(tmp_path: Path, name: str) -> None:
    """Nothing outside is read, and nothing outside is removed."""
    folder, outside = tmp_path / "voices", tmp_path / "outside"
    voice = await one_voice(folder)
    clip_file(folder).rename(outside)
    connection = sqlite3.connect(folder / "voices.db")
    with connection:
        connection.execute("UPDATE voices SET file = ?", (name.format(outside=outside),))
    connection.close()
    await is_damaged(folder, voice)
    assert outside.read_bytes() == clip(1).data


async def test_file_names_are_made_of_ids(tmp_path: Path) -> None:
    audio = VoiceAudio(b"x", clip(1).sha256, 1.0, "../../etc", "../../../x.wav\0")
    async with LocalStore.open(tmp_path) as store:
        voice = await store.add(VoiceDraft(".. & .."), audio)
        assert clip_file(tmp_path).name.startswith(f"{voice.id}-")


async def test_a_linked_folder_of_clips_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    await one_voice(folder)
    (folder / "audio").rename(tmp_path / "elsewhere")
    (folder / "audio").symlink_to(tmp_path / "elsewhere")
    await is_refused(folder, "is a link")


async def is_refused(folder: Path, *words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with LocalStore.open(folder):
            pass
    assert caught.value.field == "VOICE_LIBRARY_DIR"
    assert caught.value.remedy
    for word in words:
        assert word in caught.value.message


async def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    await is_refused(tmp_path / "file" / "voices", "cannot be used")
    await is_refused(tmp_path / "file", "cannot be used")


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    await one_voice(tmp_path)
    write_database(tmp_path, f"PRAGMA user_version = {database.SCHEMA_VERSION + 1}")
    await is_refused(tmp_path, "newer version", str(tmp_path / "voices.db"))


@pytest.mark.parametrize("kind", ["text", "head", "middle"])
async def test_a_damaged_database_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    await one_voice(tmp_path)
    path = tmp_path / "voices.db"
    data = path.read_bytes()
    if kind == "text":
        path.write_text("This is no database. " * 100)
    elif kind == "head":
        path.write_bytes(bytes(100) + data[100:])
    else:
        path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    before = path.read_bytes()
    await is_refused(tmp_path, "damaged", str(path))
    assert path.read_bytes() == before
    assert clip_file(tmp_path).read_bytes() == clip(1).data


@pytest.mark.parametrize("kind", ["missing", "empty"])
async def test_clips_without_their_database_are_not_swept(tmp_path: Path, kind: str) -> None:
    await one_voice(tmp_path)
    path = tmp_path / "voices.db"
    path.unlink()
    if kind == "empty":
        path.write_bytes(b"")
    aged(clip_file(tmp_path))
    await is_refused(tmp_path, str(path))
    assert clip_file(tmp_path).read_bytes() == clip(1).data


async def test_old_left_overs_are_swept(tmp_path: Path) -> None:
    """Those of ours that nothing names and that are old; at the opening, and again later."""
    voice = await one_voice(tmp_path)
    audio = tmp_path / "audio"
    named = clip_file(tmp_path)
    aged(named)
    stem = voice.id + "-0123456789abcdef.wav"
    kept = {audio / stem, audio / f"{stem[:-5]}0.wav.part"}
    others = {audio / "notes.txt", audio / "voice_x.wav", tmp_path / "other.wav"}
    swept = {audio / f"{stem[:-5]}1.wav", audio / f"{stem[:-5]}2.wav.part", audio / "probe-0123456789abcdef.part"}
    for path in kept | others | swept:
        path.write_bytes(b"left over")
    for path in others | swept:
        aged(path)
    async with LocalStore.open(tmp_path, sweep_every_s=0.02) as store:
        assert not [path for path in swept if path.exists()]
        assert all(path.exists() for path in kept | others)
        late = audio / f"{stem[:-5]}3.wav"
        late.write_bytes(b"left over")
        aged(late)
        deadline_s = time.monotonic() + 5
        while late.exists() and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        assert not late.exists()
        assert await store.read_clip(voice) == clip(1).data


async def test_a_clip_swept_before_it_was_named_is_no_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long another process's write has been held up."""

    class LosesEachClip(FileOperations):
        def rename(self, old: Path, new: Path) -> None:
            super().rename(old, new)
            new.unlink()

    async with LocalStore.open(tmp_path, files=LosesEachClip()) as store:
        with pytest.raises(Unavailable):
            await store.add(VoiceDraft("Anna"), clip(1))
        assert await store.get_by_name("anna") is None


async def test_a_folder_that_goes_away_is_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    async with LocalStore.open(folder) as store:
        voice = await store.add(VoiceDraft("Anna"), clip(1))
        folder.rename(tmp_path / "moved")
        for call in (
            store.ready(),
            store.read_clip(voice),
            store.add(VoiceDraft("Bert"), clip(2)),
            store.remove(voice.id),
        ):
            with pytest.raises(Unavailable) as caught:
                await call
            assert caught.value.code == "storage_unavailable"
        (tmp_path / "moved").rename(folder)
        await store.ready()
        assert await store.read_clip(voice) == clip(1).data


async def test_another_process_s_replacement_is_seen_at_once(tmp_path: Path) -> None:
    async with LocalStore.open(tmp_path) as one, LocalStore.open(tmp_path) as other:
        voice = await one.add(VoiceDraft("Anna"), clip(1))
        assert await other.read_clip(voice) == clip(1).data
        new = await other.replace(voice.id, clip(2))
        assert await one.get_by_name("anna") == new
        with pytest.raises(NotFound):
            await one.read_clip(voice)
        await one.remove(voice.id)
        assert await other.list() == ()


async def test_what_can_be_no_name_is_not_found(tmp_path: Path) -> None:
    async with LocalStore.open(tmp_path) as store:
        for text in ("\ud800", "a/b", "", "x" * 10_000):
            assert await store.get_by_name(text) is None
            assert await store.get(text) is None


async def test_the_plugin_opens_the_folder_that_is_set(tmp_path: Path) -> None:
    async with plugin.open({"DATA_DIR": str(tmp_path)}) as store:
        await store.add(VoiceDraft("Anna"), clip(1))
    async with plugin.open({"DATA_DIR": "/nowhere", "VOICE_LIBRARY_DIR": str(tmp_path / "voices")}) as store:
        assert await store.get_by_name("anna") is not None
    assert voice_folder({}).name == "voices"


def aged(path: Path) -> None:
    os.utime(path, (time.time() - OLD_S, time.time() - OLD_S))
