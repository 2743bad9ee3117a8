"""Finds the files of an archive of voices, wherever the program that packed it has put them.

An export has `voices.json` at its top. Unpacked and packed again it may lie in a folder, named with backslashes
(Windows), or in another Unicode form (macOS), beside `__MACOSX`, `.DS_Store` and entries for folders.
"""

from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path
from typing import Final

from chatterbox_api_core.errors import InvalidInput

__all__ = ["MANIFEST", "ArchiveMembers", "unreadable"]

MANIFEST: Final = "voices.json"
"""The name of the file that lists the voices; see `archive_manifest`."""

_PACKERS_OWN: Final = "__MACOSX"
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""bzip2 and lzma unpack without bound."""
_DISPLAY_FOLDERS: Final = 5
_DISPLAY_CHARS: Final = 80


class ArchiveMembers:
    """The files of a zip, by their names relative to the folder of `voices.json`.

    Args:
        archive: open for reading.
        path: of the zip, for errors.

    Raises:
        InvalidInput: `invalid_archive`: no folder, or more than one, has a `voices.json`.
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self._path = path
        self._infos = {_canonical_path(info.filename): info for info in archive.infolist() if not info.is_dir()}
        self._folder = self._find_folder()

    def read(self, name: str, max_bytes: int) -> bytes:
        """The content of a file. Raises InvalidInput where it is missing, encrypted, too large or not Deflate."""
        label = name[:_DISPLAY_CHARS]
        info = self._infos.get(self._folder + _canonical_path(name))
        if info is None:
            raise unreadable(self._path, f"it has no {label}")
        if info.compress_type not in _METHODS or info.flag_bits & 1:
            reason = f"its {label} is encrypted, or packed by another method than Deflate"
            raise unreadable(self._path, reason, remedy="Pack it as a plain zip.")
        with self._archive.open(info) as member:
            data = member.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise unreadable(self._path, f"its {label} is too large")
        return data

    def _find_folder(self) -> str:
        """The prefix of the names: the folder of `voices.json`, empty at the top."""
        found = [name for name in self._infos if name.rpartition("/")[2] == MANIFEST]
        folders = [name.removesuffix(MANIFEST) for name in found if not name.startswith(f"{_PACKERS_OWN}/")]
        if "" in folders:
            return ""
        if len(folders) > 1:
            named = ", ".join(folder[:_DISPLAY_CHARS] for folder in folders[:_DISPLAY_FOLDERS])
            more = f" and {len(folders) - _DISPLAY_FOLDERS} more" if len(folders) > _DISPLAY_FOLDERS else ""
            reason = f"it has several folders with a {MANIFEST}: {named}{more}"
            raise unreadable(self._path, reason, remedy="Pack each of them on its own.")
        if not folders:
            remedy = "Give a file that `chatterbox-api voices export` has written."
            raise unreadable(self._path, f"it has no {MANIFEST}", remedy=remedy)
        return folders[0]


def unreadable(path: Path, reason: str, *, remedy: str | None = None) -> InvalidInput:
    """The error for an archive that cannot be imported.

    Args:
        reason: the end of the sentence, without its full stop.
    """
    return InvalidInput(f"{path} cannot be imported: {reason}.", code="invalid_archive", field="file", remedy=remedy)


def _canonical_path(name: str) -> str:
    """A name with `/` between folders, and in one Unicode form. It is compared, and never opened as a path."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")
