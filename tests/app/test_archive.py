"""An export is read again, also when people have unpacked it and packed it with what their system has."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from chatterbox_api.archive import read_archive, write_archive
from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.reference import MemoryStore, WavReader
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_testkit.sounds import sine, wav

CLIPS = {"Anna": wav(sine(300, 1.5)), "Bert": wav(sine(400, 2.0))}
Files = dict[str, bytes]
NFD_FOLDER = unicodedata.normalize("NFD", "Stimmen für Änne/")


def empty_library() -> VoiceLibrary:
    return VoiceLibrary(store=MemoryStore(), clip_reader=WavReader())


@pytest.fixture
async def files(tmp_path: Path) -> Files:
    """The files of an export of two voices, as an unpacker would lay them down."""
    library = empty_library()
    for name, clip in CLIPS.items():
        await library.create(name, clip, filename=f"{name}.wav")
    path = tmp_path / "voices.zip"
    assert await write_archive(library, [voice async for voice in library.all()], path) == []
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path: Path, files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


async def imported(path: Path) -> dict[str, bytes]:
    library = empty_library()
    lines = [line async for line in read_archive(library, path, existing="refuse")]
    assert len(lines) == len(CLIPS)
    return {voice.name: await library.read_clip(voice) async for voice in library.all()}


async def refusal(path: Path) -> str:
    library = empty_library()
    with pytest.raises(InvalidInput) as caught:
        await anext(read_archive(library, path, existing="refuse"))
    assert [voice async for voice in library.all()] == []
    return str(caught.value)


def within(folder: str, files: Files) -> Files:
    return {f"{folder}{name}": data for name, data in files.items()}


def by_finder(files: Files) -> Files:
    """macOS' «Compress»: a folder in NFD, its own notes beside it and in it."""
    notes = {f"__MACOSX/{NFD_FOLDER}._{name.rpartition('/')[2]}": b"\0\5\26\7" for name in files}
    return {NFD_FOLDER: b"", f"{NFD_FOLDER}.DS_Store": b"Bud1", **within(NFD_FOLDER, files), **notes}


def with_foreign_manifest(files: Files) -> Files:
    return {**within("voices/", files), "__MACOSX/voices.json": b"{}", "voices/not-voices.json": b"{}"}


PACKERS: dict[str, Callable[[Files], Files]] = {
    "as exported": lambda files: files,
    "zip -r": lambda files: {"voices/": b"", "voices/clips/": b"", **within("voices/", files)},
    "zip -r .": lambda files: within("./", files),
    "Finder": by_finder,
    "Windows": lambda files: {f"voices\\{name}".replace("/", "\\"): data for name, data in files.items()},
    "several folders deep": lambda files: within("Users/me/Desktop/voices/", files),
    "the manifest last": lambda files: dict(reversed(within("v/", files).items())),
    "names of others beside": with_foreign_manifest,
    "edited with Notepad": lambda files: {**files, "voices.json": b"\xef\xbb\xbf" + files["voices.json"]},
    "a copy within": lambda files: {**files, **within("old/", files)},
}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("packer", PACKERS)
async def test_an_export_that_was_packed_again_is_read(tmp_path: Path, files: Files, packer: str, method: int) -> None:
    assert await imported(packed(tmp_path / "again.zip", PACKERS[packer](files), method=method)) == CLIPS


async def test_several_folders_are_refused_with_their_names(tmp_path: Path, files: Files) -> None:
    told = await refusal(packed(tmp_path / "two.zip", {**within("a/", files), **within("b/c/", files)}))
    assert "a/, b/c/" in told
    assert "each of them" in told
    many = {f"{number}/voices.json": b"{}" for number in range(1000)}
    told = await refusal(packed(tmp_path / "many.zip", many))
    assert "and 995 more" in told
    assert len(told) < 500


async def test_without_a_manifest_the_remedy_is_told(tmp_path: Path) -> None:
    for others in ({"clips/0.wav": b""}, {"__MACOSX/voices.json": b"{}"}, {"voices.json/": b""}, {}):
        assert "voices export" in await refusal(packed(tmp_path / "none.zip", others))


@pytest.mark.parametrize(
    "clip",
    ["../../secret.wav", "/etc/passwd", "..\\secret.wav", "C:\\secret.wav", "clips/../../secret.wav", "clips", ""],
)
@pytest.mark.parametrize("folder", ["", "voices/", "../", "/", "..\\..\\"])
async def test_paths_lead_nowhere(tmp_path: Path, files: Files, folder: str, clip: str) -> None:
    """A name is looked up in the zip, whatever it is made of; nothing is opened by it."""
    (tmp_path / "secret.wav").write_bytes(CLIPS["Anna"])
    home = tmp_path / "a" / "b"
    home.mkdir(parents=True)
    manifest = json.loads(files["voices.json"])
    for entry in manifest["voices"]:
        entry["clip"] = clip
    told = await refusal(packed(home / "bad.zip", {f"{folder}voices.json": json.dumps(manifest).encode()}))
    assert "it has no" in told
    assert await imported(packed(home / "good.zip", within(folder, files))) == CLIPS


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
async def test_other_methods_are_told(tmp_path: Path, files: Files, method: int) -> None:
    assert "Pack it as a plain zip" in await refusal(packed(tmp_path / "7.zip", files, method=method))


@pytest.mark.parametrize("folder", ["", "voices/"])
async def test_limits_hold_in_a_folder_too(tmp_path: Path, files: Files, folder: str) -> None:
    first = min(files)
    assert "too large" in await refusal(
        packed(tmp_path / "bomb.zip", within(folder, {**files, first: bytes(11 * 2**20)}))
    )
    assert "damaged" in await refusal(packed(tmp_path / "bad.zip", within(folder, {**files, first: b"changed"})))
