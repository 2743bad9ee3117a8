"""What the page on adapters shows is what the example package holds, line by line, but for fewer imports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/write-an-adapter.md"
SHOWN = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("file", "code"), SHOWN.findall(PAGE.read_text()))
def test_shown_code_is_real(examples: Path, file: str, code: str) -> None:
    real = iter((examples / "third_party" / file).read_text().splitlines())
    for line in code.splitlines():
        if line.startswith(("import ", "from ")):
            continue
        assert line in real, f"{file} does not have, or not in this order: {line}"


def test_code_is_shown() -> None:
    assert len(SHOWN.findall(PAGE.read_text())) == 4
