"""The guide to R2 knows every failure that the store can show."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_code_is_in_the_table() -> None:
    guide = (ROOT / "docs/r2.md").read_text()
    sources = [path.read_text() for path in ROOT.glob("packages/storage-r2/src/*/*.py")]
    codes = {code for source in sources for code in re.findall(r'"(storage_[a-z_]+)"', source)}
    assert {"storage_refused", "storage_unreachable"} <= codes
    for code in codes:
        assert f"| `{code}` |" in guide, code
