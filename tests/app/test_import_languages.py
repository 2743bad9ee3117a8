"""Voices from before language tags were checked: they are exported and imported, without what is no tag."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from chatterbox_api.archive import read_archive, write_archive
from chatterbox_api_core.reference import MemoryStore, WavReader
from chatterbox_api_core.types import VoiceAudio, VoiceDraft
from chatterbox_api_core.voices import VoiceLibrary
from chatterbox_api_testkit.sounds import sine, wav

CLIP = wav(sine(300, 1.5))


@pytest.mark.parametrize(
    ("stored", "imported", "note"),
    [
        ("de", "de", ""),
        ("pt_br", "pt-BR", ""),
        ("German", None, " (without language 'German', which is no language tag)"),
        ("xx", None, " (without language 'xx', which is no language tag)"),
        (None, None, ""),
    ],
)
@pytest.mark.parametrize("existing", ["refuse", "replace"])
async def test_an_import_leaves_out_what_is_no_tag(
    tmp_path: Path, stored: str | None, imported: str | None, note: str, existing: str
) -> None:
    store, target = MemoryStore(), MemoryStore()
    audio = VoiceAudio(CLIP, hashlib.sha256(CLIP).hexdigest(), 1.5)
    voice = await store.add(VoiceDraft("Anna", language=stored), audio)
    await write_archive(VoiceLibrary(store=store, clip_reader=WavReader()), [voice], tmp_path / "all.zip")
    if existing == "replace":
        await target.add(VoiceDraft("Anna", language="fr"), audio)
    library = VoiceLibrary(store=target, clip_reader=WavReader())
    told = [line async for line in read_archive(library, tmp_path / "all.zip", existing=existing)]
    assert told == [f"{'added' if existing == 'refuse' else 'replaced'}: Anna{note}"]
    assert (await library.get("Anna")).language == imported
