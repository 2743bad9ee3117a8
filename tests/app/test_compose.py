"""Adapters are chosen by name, or by `auto` in a fixed order; what is half set up stops the start."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chatterbox_api.compose import chosen, compose
from chatterbox_api_core.errors import ConfigurationError, PluginError
from chatterbox_api_core.plugins import CLIP_READERS, ENCODERS, SYNTHESIZERS, VOICE_STORES, Plugin, load

PLUGIN = """
from contextlib import asynccontextmanager
from chatterbox_api_core.plugins import Absent, Incomplete, Plugin, Ready
from chatterbox_api_core.reference import MemoryStore
from chatterbox_api_core.settings import Setting

KEY = Setting("R2_KEY", "", "A key.", str, secret=True)
BUCKET = Setting("R2_BUCKET", "", "A bucket.", str)

def state(env):
    if not KEY.is_set(env):
        return Absent("R2_KEY is not set")
    return Ready() if BUCKET.is_set(env) else Incomplete(("R2_BUCKET",))

@asynccontextmanager
async def open_(env):
    yield MemoryStore()

plugin = Plugin(settings=(KEY, BUCKET), state=state, open=open_)
"""


@pytest.fixture
def r2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store called r2, as another distribution brings it."""
    (tmp_path / "some_r2.py").write_text(PLUGIN)
    info = tmp_path / "some_r2-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-r2\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{VOICE_STORES}]\nr2 = some_r2:plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_auto_takes_the_first_that_is_set_up() -> None:
    assert chosen(SYNTHESIZERS, {})[0] == "espeak"
    assert chosen(VOICE_STORES, {})[0] == "local"
    assert chosen(ENCODERS, {}) == ("pyav", "wav")
    assert chosen(CLIP_READERS, {})[0] == "pyav"


def test_names_are_taken_as_given() -> None:
    assert chosen(SYNTHESIZERS, {"SYNTHESIZER": "tone"}) == ("tone",)
    assert chosen(ENCODERS, {"ENCODERS": "wav, pyav"}) == ("wav", "pyav")
    with pytest.raises(ConfigurationError):
        chosen(ENCODERS, {"ENCODERS": ","})
    with pytest.raises(PluginError):
        chosen(SYNTHESIZERS, {"SYNTHESIZER": "nobody"})


@pytest.mark.usefixtures("r2")
def test_absent_is_passed_by_ready_is_taken_incomplete_stops() -> None:
    assert chosen(VOICE_STORES, {})[0] == "local"
    assert chosen(VOICE_STORES, {"R2_KEY": "k", "R2_BUCKET": "b"})[0] == "r2"
    for env in ({"R2_KEY": "k"}, {"R2_KEY": "k", "VOICE_STORE": "r2"}):
        with pytest.raises(ConfigurationError) as caught:
            chosen(VOICE_STORES, env)
        assert "R2_BUCKET" in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        chosen(VOICE_STORES, {"VOICE_STORE": "r2"})
    assert "R2_KEY is not set" in str(caught.value)


async def test_what_was_opened_is_closed_when_a_later_part_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def watching(group: str, name: str) -> Plugin[Any]:
        plugin = load(group, name)

        @asynccontextmanager
        async def open_(env: Mapping[str, str]) -> AsyncGenerator[Any, None]:
            opened.append(name)
            try:
                async with plugin.open(env) as adapter:
                    yield adapter
            finally:
                opened.remove(name)

        return Plugin(settings=plugin.settings, state=plugin.state, open=open_)

    monkeypatch.setattr("chatterbox_api.compose.load", watching)
    with pytest.raises(ConfigurationError):
        async with compose({"SYNTHESIZER": "tone", "VOICE_STORE": "memory", "VOICE_SAMPLE_PATH": "/nowhere"}):
            pass
    assert not opened
    async with compose({"SYNTHESIZER": "tone", "VOICE_STORE": "memory"}) as service:
        assert service.speech.engine == "tone"
        assert "tone" in opened
    assert not opened
