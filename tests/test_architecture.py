"""Who may import whom, and what every package looks like."""

from __future__ import annotations

import ast
import gc
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in (ROOT / "packages").glob("*/pyproject.toml"))
OURS = {path.name for package in PACKAGES for path in (package / "src").iterdir()}


@pytest.fixture(autouse=True)
def _no_collection_while_parsing() -> Iterator[None]:
    """Python 3.11 fails to build a syntax tree when a finalizer runs in the middle of it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def imported(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports relatively"
                yield path, (node.module or "").partition(".")[0]


def test_workers_import_core_and_the_standard_library_alone() -> None:
    for path, name in imported(ROOT / "packages/worker/src"):
        known = ("chatterbox_api_core", "chatterbox_api_worker")
        assert name in sys.stdlib_module_names or name in known, f"{path} imports {name}"


def test_core_imports_the_standard_library_alone() -> None:
    for path, name in imported(ROOT / "packages/core/src"):
        assert name in sys.stdlib_module_names or name == "chatterbox_api_core", f"{path} imports {name}"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_adapters_are_reached_by_name_alone(package: Path) -> None:
    (own,) = (package / "src").iterdir()
    beside = {"app": "http_litestar", "encoders": "worker", "synth-chatterbox": "worker", "synth-espeak": "worker"}
    allowed = {own.name, "chatterbox_api_core", f"chatterbox_api_{beside.get(package.name, 'core')}"}
    for path, name in imported(package):
        assert name in allowed or name not in OURS, f"{path} imports {name}"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_packages_have_one_shape(package: Path) -> None:
    (source,) = (package / "src").iterdir()
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["name"] == ("chatterbox-api" if package.name == "app" else f"chatterbox-api-{package.name}")
    assert source.name == project["name"].replace("-", "_")
    assert (source / "py.typed").exists()
    assert len((package / "README.md").read_text()) > 300
    assert not [name for name in project["dependencies"] if "espeak" in name and package.name != "synth-espeak"]
    gpl = package.name == "synth-espeak"
    assert project["license"] == ("GPL-3.0-or-later" if gpl else "MIT")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_modules_have_docstrings_and_sorted_public_names(package: Path) -> None:
    for path in (package / "src").rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names = ast.literal_eval(node.value)
                assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)), path
