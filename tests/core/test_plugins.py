"""Adapters are found by name; missing, broken and ambiguous are three clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatterbox_api_core.errors import PluginError
from chatterbox_api_core.plugins import ENCODERS, GROUPS, SYNTHESIZERS, Plugin, installed, installed_name, load


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where installed distributions can be put."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(folder: Path, name: str, *entries: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{SYNTHESIZERS}]\n" + "\n".join(entries))


def test_every_installed_plugin_loads() -> None:
    for group in GROUPS:
        assert installed(group)
        for entry in installed(group):
            assert isinstance(load(group, entry.name), Plugin)


def test_missing_says_what_there_is() -> None:
    with pytest.raises(PluginError) as caught:
        load(ENCODERS, "lame")
    assert caught.value.code == "plugin_missing"
    assert all(word in str(caught.value) for word in (ENCODERS, "lame", "pyav", "wav", "install"))


def test_a_name_is_found_in_any_case(distribution: Path) -> None:
    install(distribution, "loud-engine", "Loud = loud_engine:plugin", "loud2 = loud_engine:plugin")
    assert [installed_name(SYNTHESIZERS, name) for name in ("loud", "LOUD", "Loud", "LouD2", "loud3")] == [
        *("Loud", "Loud", "Loud", "loud2", "loud3")
    ]
    install(distribution, "quiet-engine", "loud = quiet_engine:plugin")
    assert installed_name(SYNTHESIZERS, "loud") == "loud"


def test_broken_says_whose_and_why(distribution: Path) -> None:
    (distribution / "broken_engine.py").write_text("import a_library_that_is_not_there\n")
    install(distribution, "broken-engine", "broken = broken_engine:plugin")
    with pytest.raises(PluginError) as caught:
        load(SYNTHESIZERS, "broken")
    assert caught.value.code == "plugin_broken"
    assert all(word in str(caught.value) for word in ("broken-engine", "a_library_that_is_not_there"))


def test_something_else_than_a_plugin_is_broken(distribution: Path) -> None:
    (distribution / "odd_engine.py").write_text("plugin = 3\n")
    install(distribution, "odd-engine", "odd = odd_engine:plugin")
    with pytest.raises(PluginError) as caught:
        load(SYNTHESIZERS, "odd")
    assert caught.value.code == "plugin_broken"


def test_two_of_one_name_are_ambiguous(distribution: Path) -> None:
    install(distribution, "one-engine", "twin = one_engine:plugin")
    install(distribution, "other-engine", "twin = other_engine:plugin")
    with pytest.raises(PluginError) as caught:
        load(SYNTHESIZERS, "twin")
    assert caught.value.code == "plugin_ambiguous"
    assert all(word in str(caught.value) for word in ("one-engine", "other-engine"))


def test_only_the_one_asked_for_is_loaded(distribution: Path) -> None:
    (distribution / "bomb_engine.py").write_text("raise SystemExit('loaded')\n")
    install(distribution, "bomb-engine", "bomb = bomb_engine:plugin")
    assert isinstance(load(SYNTHESIZERS, "tone"), Plugin)
