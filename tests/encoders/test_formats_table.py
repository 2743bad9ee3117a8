"""The table of formats in the README is the one that the code goes by."""

from __future__ import annotations

from pathlib import Path

from chatterbox_api_core.formats import FORMATS
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder

README = Path(__file__).parents[2] / "packages" / "encoders" / "README.md"


def test_the_readme_has_the_table_of_the_code() -> None:
    by_soundfile = SoundfileEncoder.formats
    rows = [
        f"| `{each.name}` | `{each.media_type}` | `{each.extension}` | {'streamed' if each.streams else 'complete'} "
        f"| {'soundfile' if each in by_soundfile else 'pyav'} | {each.help} |"
        for each in FORMATS
    ]
    first_table = README.read_text().partition("| format |")[2].partition("\n\n")[0]
    shown = [line for line in first_table.splitlines() if line.startswith("| `")]
    assert shown == rows


def test_every_format_is_offered_by_one_encoder() -> None:
    assert sorted(each.name for each in (*PyavEncoder.formats, *SoundfileEncoder.formats)) == sorted(
        each.name for each in FORMATS
    )
