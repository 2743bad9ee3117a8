"""What the documents say is true: their code runs, their commands work, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.service import RunningService, run_cli, running_service

from chatterbox_api.environment import declared_settings
from chatterbox_api_testkit.sounds import voice_like, wav

ROOT = Path(__file__).parents[1]
PARTS = ("tutorial", "how-to", "reference", "explanation")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *(
        page
        for part in ("tutorial", "how-to", "reference", "explanation")
        for page in sorted(ROOT.glob(f"docs/{part}/*.md"))
    ),
    *sorted(ROOT.glob("packages/*/*.md")),
]
GENERATED = ROOT / "docs/reference/python"
"""Pages that are there once the site has been built."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text())):
            if match.group(1) == kind:
                yield f"{page.relative_to(ROOT)}#{number}", match.group(2)


def commands(program: str) -> list[str]:
    return [line for _, text in blocks("console") for line in text.splitlines() if line.startswith(program)]


PROGRAMS = [(name, code) for name, code in blocks("python") if not re.match(r"# \w+\.py", code)]
"""Those that have a file's name in their first line belong together; the tests of their package run them."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.mark.parametrize(("name", "code"), PROGRAMS)
def test_python_runs(name: str, code: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "http://127.0.0.1:4123" in code:
        service: RunningService = request.getfixturevalue("service")
        code = code.replace("http://127.0.0.1:4123", service.url)
    assert ":4123" not in code
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_curl_lines_speak(tmp_path: Path, service: RunningService) -> None:
    (tmp_path / "me.wav").write_bytes(wav(voice_like(180, 3)))
    lines = commands("curl")
    assert len(lines) == 2
    for line in lines:
        arguments = shlex.split(line.replace("http://127.0.0.1:4123", service.url))
        subprocess.run([*arguments, "--fail", "--silent"], cwd=tmp_path, check=True, timeout=30)
    assert (tmp_path / "hello.mp3").stat().st_size > 5_000
    assert (tmp_path / "me-saying-hello.wav").read_bytes().startswith(b"RIFF")


def test_commands_work(tmp_path: Path) -> None:
    (tmp_path / "me.wav").write_bytes(wav(voice_like(180, 3)))
    lines = [line for line in commands("chatterbox-api") if line != "chatterbox-api serve"]
    assert len(lines) == 9
    for line in lines:
        done = run_cli(*shlex.split(line)[1:], cwd=tmp_path)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_two_lines_are_what_hatch_offers() -> None:
    lines = commands("pip install hatch")
    assert lines == ["pip install hatch && hatch run serve", "pip install hatch && hatch test"]
    scripts = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]["default"]["scripts"]
    assert scripts["serve"].startswith("chatterbox-api serve")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", BLOCK.sub("", page.read_text())):
        path = page.parent / target
        assert target.startswith("https://") or path.exists() or path.parent == GENERATED, target


def test_named_settings_exist() -> None:
    others = {"MINE_PACE", "DESIGN", "ERROR_CODES", "HTTP_ERROR_CODES", "SIGTERM", "GET", "POST", "HF_HOME", "HF_TOKEN"}
    stub = set(re.findall(r'"(STUB_[A-Z_]+)"', (ROOT / "benchmarks/stub_engine/plugin.py").read_text()))
    known = {setting.name for setting in declared_settings()} | others | stub
    for page in PAGES:
        for name in re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", page.read_text()):
            assert name in known, f"{page}: {name}"


def test_the_map_names_every_package() -> None:
    text = (ROOT / "README.md").read_text()
    for package in ROOT.glob("packages/*/pyproject.toml"):
        assert f"packages/{package.parent.name}](" in text
