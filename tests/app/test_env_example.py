"""`.env.example` says what there is, and copying it changes nothing."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from dotenv import dotenv_values
from support.service import running_service

from chatterbox_api.environment import check_all, declared_settings, read_environment
from chatterbox_api_core.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
SECRETS = ("R2_ACCOUNT_ID", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY")
SETTING = re.compile(r"^#(?=[A-Z][A-Z0-9_]*=)", re.MULTILINE)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("update_env_example", ROOT / "scripts/update_env_example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / ".env.example").read_text()


def test_it_is_what_the_script_makes(script: ModuleType, text: str) -> None:
    assert text == script.env_example(declared_settings()), "run scripts/update_env_example.py"


def test_the_script_tells_whether_it_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts/update_env_example.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_every_setting_is_in_it_once_with_its_default(script: ModuleType, text: str) -> None:
    names = [line.partition("=")[0][1:] for line in text.splitlines() if SETTING.match(line)]
    assert len(names) == len(set(names))
    uncommented = dotenv_values(stream=StringIO(SETTING.sub("", text)))
    for setting in declared_settings():
        assert uncommented[setting.name] == script.PLACEHOLDERS.get(setting.name, setting.default)
        assert not (setting.secret and setting.default)
    assert len(names) == len(declared_settings())


def test_a_setting_of_a_stranger_would_be_in_it_too(script: ModuleType) -> None:
    declared = declared_settings()
    strange = type(declared[0])("ZEBRA_STRIPES", "7", "How many.", str)
    assert script.env_example([*declared, strange]).endswith("# --- Others ---\n\n# How many.\n#ZEBRA_STRIPES=7\n")


def test_a_copy_of_it_changes_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(text)
    with running_service(tmp_path) as service:
        assert httpx.get(f"{service.url}/ready").status_code == 200
    monkeypatch.chdir(tmp_path)
    with_it = read_environment()
    (tmp_path / ".env").unlink()
    assert with_it == read_environment()


@pytest.mark.parametrize("name", SECRETS)
def test_its_placeholders_are_recognised(script: ModuleType, name: str) -> None:
    """Who uncomments them and does not replace every one is told which."""
    real = dict.fromkeys(SECRETS, "0123456789abcdef0123456789abcdef")
    check_all(real)
    with pytest.raises(ConfigurationError) as caught:
        check_all(real | {name: script.PLACEHOLDERS[name]})
    assert caught.value.field == name


def test_the_guide_shows_the_same_lines(text: str) -> None:
    guide = (ROOT / "docs/r2.md").read_text()
    lines = [line.strip() for line in guide.partition("```ini")[2].partition("```")[0].splitlines()]
    assert {line.partition("=")[0] for line in lines if line} > set(SECRETS)
    for line in filter(None, lines):
        assert f"#{line}\n" in text
