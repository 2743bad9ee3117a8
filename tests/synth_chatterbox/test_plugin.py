"""The entry point and the settings; for the states with the model's package, see `synth_chatterbox_model`."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.plugins import Absent, Incomplete
from chatterbox_api_synth_chatterbox import settings
from chatterbox_api_synth_chatterbox.plugin import plugin
from chatterbox_api_synth_chatterbox.synthesizer import ChatterboxSynthesizer
from chatterbox_api_worker.spec import Timeouts

ENVIRONMENT = {
    "CHATTERBOX_MODEL": "Multilingual",
    "CHATTERBOX_MODEL_DIR": "/models/c",
    "CHATTERBOX_DEVICE": "cuda",
    "CHATTERBOX_LANGUAGE": "de",
    "CHATTERBOX_CONCURRENT": "7",
    "CHATTERBOX_PRELOAD": "yes",
    "IDLE_UNLOAD_S": "600",
    "CHATTERBOX_LOAD_S": "900",
    "CHATTERBOX_STALL_S": "30",
    "CHATTERBOX_VOICES_MB": "8",
}


@pytest.fixture
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.usefixtures("_not_installed")
def test_without_the_model_s_package_it_is_absent_and_says_how_to_get_it() -> None:
    state = plugin.state({})
    assert isinstance(state, Absent)
    assert "hatch run chatterbox:serve" in state.reason


@pytest.mark.usefixtures("_not_installed")
def test_a_folder_without_the_package_is_half_a_set_up(tmp_path: Path) -> None:
    assert plugin.state({"CHATTERBOX_MODEL_DIR": str(tmp_path)}) == Incomplete(("the package chatterbox-tts",))


def test_neither_looking_it_up_nor_its_synthesizer_imports_a_heavy_library() -> None:
    script = """
import sys
import chatterbox_api_synth_chatterbox.plugin, chatterbox_api_synth_chatterbox.synthesizer
import chatterbox_api_synth_chatterbox.child.main
print(sorted({"torch", "huggingface_hub", "numpy", "chatterbox", "transformers"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How the synthesizer was opened."""
    calls: list[dict[str, Any]] = []

    @asynccontextmanager
    async def open_(**given: Any) -> AsyncGenerator[object, None]:
        calls.append(given)
        yield object()

    monkeypatch.setattr(ChatterboxSynthesizer, "open", open_)
    return calls


async def test_every_setting_has_a_default(asked: list[dict[str, Any]]) -> None:
    async with plugin.open({}):
        pass
    assert asked == [
        {
            "model": "original",
            "folder": "",
            "device": "auto",
            "language": "en",
            "concurrent": 4,
            "preload": False,
            "voices_bytes": 64 * 2**20,
            "timeouts": Timeouts(load_s=300, stall_s=120, ping_s=30, idle_s=0),
        }
    ]


async def test_every_setting_is_read(asked: list[dict[str, Any]]) -> None:
    assert {setting.name for setting in plugin.settings} == set(ENVIRONMENT)
    async with plugin.open(ENVIRONMENT):
        pass
    assert asked == [
        {
            "model": "multilingual",
            "folder": "/models/c",
            "device": "cuda",
            "language": "de",
            "concurrent": 7,
            "preload": True,
            "voices_bytes": 8 * 2**20,
            "timeouts": Timeouts(load_s=900, stall_s=30, ping_s=30, idle_s=600),
        }
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHATTERBOX_MODEL", "nano"),
        ("CHATTERBOX_DEVICE", "tpu"),
        ("CHATTERBOX_CONCURRENT", "0"),
        ("CHATTERBOX_PRELOAD", "perhaps"),
        ("IDLE_UNLOAD_S", "nan"),
        ("CHATTERBOX_STALL_S", "0"),
        ("CHATTERBOX_LOAD_S", "-1"),
        ("CHATTERBOX_VOICES_MB", "1.5"),
    ],
)
def test_a_value_that_cannot_be_is_named(name: str, value: str) -> None:
    (setting,) = (each for each in settings.ALL if each.name == name)
    with pytest.raises(ConfigurationError, match=name) as caught:
        setting.read({name: value})
    assert caught.value.field == name
