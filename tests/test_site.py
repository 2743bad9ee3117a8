"""The reference pages of the site are complete: each error code and each setting of the code is there."""

from __future__ import annotations

import re
from pathlib import Path

from chatterbox_api.environment import declared_settings

ROOT = Path(__file__).parents[1]
CODE = re.compile(
    r'\b(?:code|default_code)\s*=\s*"([a-z_]+)"'  # an argument, a class
    r'|RequestError\(\s*\d{3},\s*"([a-z_]+)"'
    r'|^\s*\d{3}: \("([a-z_]+)"',  # a row of a table by status
    re.MULTILINE,
)


def codes_of_the_code() -> set[str]:
    sources = [path.read_text() for path in ROOT.glob("packages/*/src/**/*.py")]
    return {next(filter(None, match.groups())) for source in sources for match in CODE.finditer(source)}


def test_every_error_code_is_in_the_reference() -> None:
    codes = codes_of_the_code()
    assert {"invalid_input", "engine_timeout", "invalid_json", "headers_too_large"} <= codes
    pages = (ROOT / "docs/reference/errors.md").read_text() + (ROOT / "docs/r2.md").read_text()
    assert [code for code in sorted(codes) if f"`{code}`" not in pages] == []


def test_every_setting_is_in_one_table_of_the_reference() -> None:
    page = (ROOT / "docs/reference/configuration.md").read_text()
    tables = [re.compile(pattern) for pattern in re.findall(r"^```\{settings\} (.+)$", page, re.MULTILINE)]
    for setting in declared_settings():
        assert sum(bool(table.fullmatch(setting.name)) for table in tables) == 1, setting.name


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 130


def test_the_workflow_calls_the_judge_and_nothing_else() -> None:
    """What is checked is in `.ci/run`, so that every machine checks the same."""
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert re.findall(r"run: (.*)", workflow) == [".ci/run"]
