"""The model's libraries come when they are asked for, in versions that go with each other."""

from __future__ import annotations

import importlib
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
OF_MODEL = {"chatterbox-tts", "librosa", "torch", "torchaudio", "transformers"}


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_chatterbox", ROOT / "scripts/install_chatterbox.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, before all others."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def pins(name: str) -> dict[str, str]:
    """What a file of constraints says on Python 3.11 on Linux."""
    lines = [line.partition(" ; ") for line in (ROOT / name).read_text().splitlines()]
    here = [pin for pin, _, marker in lines if not re.search(r">= '3\.1[234]'|== '3\.1[4.*]+'", marker)]
    return dict(pin.split("==") for pin in here)


def distribution(site: Path, name: str, version: str, files: tuple[str, ...] = ()) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_no_package_asks_for_the_model_by_itself() -> None:
    for path in ROOT.glob("packages/*/pyproject.toml"):
        asked = {re.split(r"[^\w-]", each)[0] for each in tomllib.loads(path.read_text())["project"]["dependencies"]}
        assert not asked & OF_MODEL, path
    assert not pins("constraints.txt").keys() & OF_MODEL


@pytest.mark.parametrize("name", ["docker/constraints-model.txt", "packages/synth-chatterbox/constraints.txt"])
def test_the_model_finds_what_it_fails_without(name: str) -> None:
    """The turbo model breaks on numpy 2; without pkg_resources nothing is watermarked, and nothing says so."""
    found = pins(name)
    assert found["numpy"].startswith("1.")
    assert int(found["setuptools"].partition(".")[0]) < 81


def test_the_image_has_the_torch_that_chatterbox_asks_for() -> None:
    found = pins("docker/constraints-model.txt")
    assert (found["chatterbox-tts"], found["torch"], found["torchaudio"]) == ("0.1.7", "2.6.0", "2.6.0")


def test_the_environment_installs_the_torch_of_its_constraints(script: ModuleType) -> None:
    found = pins("packages/synth-chatterbox/constraints.txt")
    assert f"torch=={found['torch']}" == script.TORCH


@pytest.mark.parametrize(
    ("there", "counts"), [("2.13.0", True), ("2.13.0+cpu", True), ("2.13.1", False), ("2.6.0", False)]
)
def test_a_build_of_the_version_is_the_version(script: ModuleType, site: Path, there: str, counts: bool) -> None:
    distribution(site, "some_torch", there)
    assert script.installed("some-torch==2.13.0") is counts
    assert not script.installed("some-other-torch==2.13.0")


def test_what_is_there_is_not_installed_again(script: ModuleType, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(script, "install", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(script, "TORCH", "some-torch==1.0")
    monkeypatch.setattr(script, "ALONE", ("some-model==2.0", "torchaudio==3.0"))
    files = ("torchaudio/lib/_torchaudio.abi3.so", "torchaudio/__init__.py", "torchaudio/lib/libtorchaudio.abi3.so")
    distribution(site, "torchaudio", "3.0", files)
    script.main()
    assert asked == [("some-torch==1.0",), ("--no-deps", "some-model==2.0")]
    assert [file for file in files if (site / file).exists()] == list(files[1:])

    asked.clear()
    distribution(site, "some_torch", "1.0")
    distribution(site, "some_model", "2.0")
    importlib.invalidate_caches()
    script.main()
    assert not asked
